#compdef leat
# Completion of leat for zsh. It knows nothing of leat: "leat __complete" says what would fit.

_leat() {
  local -a answer rows
  local row word kind
  # The words up to the cursor, as the program would get them.
  answer=("${(@f)$(_call_program leat ${(q)${(Q)words[1]}} __complete ${(q)${(Q)words[2,CURRENT-1]}} ${(q)${(Q)PREFIX}:-''})}")
  kind=${answer[1]}
  case $kind in
    files)
      [[ $PREFIX == --*=* ]] && compset -P '*='
      _files
      ;;
    folders)
      [[ $PREFIX == --*=* ]] && compset -P '*='
      _files -/
      ;;
    command\ *)
      # From there on it is another command's line.
      local -i from=$((${kind#command } + 2))
      words=("${(@)words[from,-1]}")
      (( CURRENT -= from - 1 ))
      _normal
      ;;
    words)
      for row in "${(@)answer[2,-1]}"; do
        word=${row%%$'\t'*}
        row=${row#*$'\t'}
        rows+=("${word//:/\\:}${row:+:$row}")
      done
      _describe -t leat leat rows
      ;;
  esac
}

if [[ ${funcstack[1]-} == _leat ]]; then
  _leat "$@"
else
  compdef _leat leat
fi
