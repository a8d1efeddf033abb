/**
 * What `sluice completion` prints. Each script asks `sluice __complete -- WORD…` for the words that may follow, so that it fits
 * every version; the last line of the answer is `:` and a directive: 0 files, 4 no files, 16 folders (those of cobra).
 * @bomb.sh/tab, which reads commander's commands too, was at 0.0.22 and has not been tried; it would replace this file.
 */

/** Bash breaks words at = and : and @ too, and replaces only what is behind the last break. Its version 3 is that of macOS. */
const bash = `# Completion of sluice for bash.
_sluice() {
  local line=\${COMP_LINE:0:COMP_POINT} words=() cur stem directive=0
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  cur=\${words[\${#words[@]} - 1]}
  stem=\${cur##*[$COMP_WORDBREAKS]}
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :*) directive=\${line#:} ;;
      *)
        line=\${line%%$'\\t'*}
        COMPREPLY+=("\${line#"\${cur%"$stem"}"}")
        ;;
    esac
  done < <("$1" __complete -- "\${words[@]:1}" 2>/dev/null </dev/null)
  case $directive in
    0 | 16)
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
        if [[ $directive == 0 ]]; then compgen -f -- "$stem"; else compgen -d -- "$stem"; fi
      )
      compopt -o filenames 2>/dev/null
      ;;
  esac
}
complete -F _sluice sluice kubectl-sluice
`;

/** _describe wants colons escaped. */
const zsh = `#compdef sluice kubectl-sluice
# Completion of sluice for zsh.
_sluice() {
  local line directive=4
  local -a found
  while IFS= read -r line; do
    case $line in
      :*) directive=\${line#:} ;;
      *$'\\t'*) found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
      *) found+=("\${line//:/\\\\:}") ;;
    esac
  done < <("\${words[1]}" __complete -- "\${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null </dev/null)
  case $directive in
    0) compset -P '--*='; _files ;;
    16) compset -P '--*='; _files -/ ;;
    *) _describe sluice found ;;
  esac
}
if [ "\${funcstack[1]}" = _sluice ]; then
  _sluice "$@"
else
  compdef _sluice sluice kubectl-sluice
fi
`;

const fish = `# Completion of sluice for fish.
function __sluice_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l typed (commandline -ct)
    set -l directive :4
    for line in ($program __complete -- $words "$typed" 2>/dev/null </dev/null)
        switch $line
            case ':*'
                set directive $line
            case '*'
                echo $line
        end
    end
    set -l before (string match -r -- '^--[^=]*=' "$typed")
    set -l path (string replace -r -- '^--[^=]*=' '' "$typed")
    switch $directive
        case :0
            __fish_complete_path "$path" | string replace -r '^' -- "$before"
        case :16
            __fish_complete_directories "$path" | string replace -r '^' -- "$before"
    end
end
complete -c sluice -f -a '(__sluice_complete)'
complete -c kubectl-sluice -f -a '(__sluice_complete)'
`;

/** kubectl asks the program kubectl_complete-NAME of PATH, and reads what cobra's programs answer. */
const kubectl = `#!/bin/sh
# Completion of \`kubectl sluice\`: the completion of kubectl runs this as kubectl_complete-sluice in PATH.
exec kubectl-sluice __complete -- "$@"
`;

/** completionScripts are the scripts by the name of the shell. */
export const completionScripts = { bash, zsh, fish, kubectl } as const;
