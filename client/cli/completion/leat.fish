# Completion of leat for fish. It knows nothing of leat: "leat __complete" says what would fit.

function __leat_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct | string unescape)
    set -l program $words[1]
    set -e words[1]
    set -l answer ($program __complete $words "$word" 2>/dev/null)
    set -l front (string match -r -- '^--[^=]*=' "$word")
    set -l rest (string replace -r -- '^--[^=]*=' '' "$word")
    switch "$answer[1]"
        case files
            for path in (__fish_complete_path "$rest")
                echo "$front$path"
            end
        case folders
            for path in (__fish_complete_directories "$rest" '')
                echo "$front$path"
            end
        case 'command *'
            # From there on it is another command's line.
            set -l from (math (string replace 'command ' '' -- $answer[1]) + 1)
            complete -C (string join ' ' -- (string escape -- $words[$from..]) (commandline -ct))
        case words
            string match -r -- '.+' $answer[2..]
    end
end

complete -c leat -f -a '(__leat_complete)'
