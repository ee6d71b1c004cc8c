# shellcheck shell=bash
# Completion of leat for bash. It knows nothing of leat: "leat __complete" says what would fit.

_leat() {
  local IFS=$' \t\n' rest=${COMP_LINE:0:COMP_POINT} i word words=() row breaks head
  # bash cuts words at "=", ":" and "@", too: put together what has no blank between.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $i == 0 || $rest == [[:blank:]]* ]]; then
      rest=${rest#"${rest%%[![:blank:]]*}"}
      words+=("")
    fi
    [[ ${#word} -le ${#rest} ]] || word=$rest
    rest=${rest:${#word}}
    words[-1]+=$word
  done

  # The words as the program would get them, as far as that can be said of a line that is not whole.
  local quote="" typed=${words[-1]}
  for i in "${!words[@]}"; do
    word=${words[i]}
    case $word in
    \'*) quote=\' word=${word//\'/} ;;
    \"*) quote=\" word=${word//\"/} ;;
    *) quote="" word=${word//\\/} ;;
    esac
    words[i]=$word
  done

  COMPREPLY=()
  local answer=()
  mapfile -t answer < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
  # What stands before the last break stays, and is no part of a reply.
  breaks=${COMP_WORDBREAKS//[!=:@]/}
  head=""
  if [[ -n $breaks && -z $quote && $typed == *["$breaks"]* ]]; then
    head=${words[-1]%"${words[-1]##*["$breaks"]}"}
  fi
  word=${words[-1]#"$head"}
  case ${answer[0]-} in
  files)
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    ;;
  folders)
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -d -- "$word")
    ;;
  "command "*)
    i=${answer[0]#command }
    if declare -F _command_offset >/dev/null; then
      _command_offset $((COMP_CWORD - (${#words[@]} - 2 - i)))
    elif [[ $i == $((${#words[@]} - 2)) ]]; then
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -c -- "$word" | sort -u)
    else
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
    ;;
  words)
    for row in "${answer[@]:1}"; do
      row=${row%%$'\t'*}
      row=${row#"$head"}
      if [[ -z $quote && $row != --* ]]; then
        printf -v row %q "$row"
      fi
      COMPREPLY+=("$row")
    done
    ;;
  esac
}

complete -F _leat leat
