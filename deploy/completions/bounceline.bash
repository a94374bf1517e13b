# bash completion for bounceline.  Options come from the program's own help, keys of nothing are written twice.
_bounceline() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --redis | --state | --node | --config) ((i++)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    COMPREPLY=()
    case $before in
    --rules | --config | -c) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --log-level) mapfile -t COMPREPLY < <(compgen -W "error warning notice info debug" -- "$word"); return ;;
    --from) mapfile -t COMPREPLY < <(compgen -W "end" -- "$word"); return ;;
    --state) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    --redis | --node | --since) return ;;
    esac
    if [[ -z $command || $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$1" --commands 2>/dev/null) help --help --version" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$1" "$command" --help 2>/dev/null | grep -oE '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,' | sort -u)" -- "$word")
    elif [[ $command == suppress && $before == suppress ]]; then
        mapfile -t COMPREPLY < <(compgen -W "check show history list add remove" -- "$word")
    elif [[ $command == rules && $before == rules ]]; then
        mapfile -t COMPREPLY < <(compgen -W "list check test unknown hits" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -o filenames -F _bounceline bounceline
