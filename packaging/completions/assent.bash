# bash completion of assent(1)

_assent_holds() { assent holds 2>/dev/null | sed -n '2,$s/ .*//p' | grep '^h-'; }

_assent_grants() { assent approvals 2>/dev/null | sed -n '2,$s/ .*//p' | grep '^[wg]-'; }

_assent_sessions() { assent sessions --limit 50 2>/dev/null | sed -n '2,$s/ .*//p'; }

_assent() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local verb='' sub='' i word
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == -- ]]; then
            # What follows is the agent's own command.
            compopt -o default
            return
        fi
        if [[ $word == --config ]]; then
            ((i++))
        elif [[ $word != -* && -z $verb ]]; then
            verb=$word
        elif [[ $word != -* && -z $sub ]]; then
            sub=$word
        fi
    done

    case $previous in
        --config | --token-file | --catalog | --sql-file | --key | --checkpoint) compopt -o default; return ;;
        --policy | --folder) compopt -o dirnames; return ;;
        --user) mapfile -t COMPREPLY < <(compgen -u -- "$current"); return ;;
        --name | --purpose | --issuer | --reason | --sql | --agent | --target | --database | --at | --since | --until | --limit | --drain | --for | --times | --timeout | --unit | --cgroup | --pid | --days) return ;;
        --scope) mapfile -t COMPREPLY < <(compgen -W 'holds records policy status end' -- "$current"); return ;;
        --verdict) mapfile -t COMPREPLY < <(compgen -W 'allow hold deny' -- "$current"); return ;;
        --session) mapfile -t COMPREPLY < <(compgen -W "$(_assent_sessions)" -- "$current"); return ;;
    esac

    local common='--config --json --help' words=''
    case $verb in
        '') words="run login logout whoami suspend resume holds approve deny approvals revoke review sessions replay search verify status doctor policy govern end token upgrade detach --version $common" ;;
        run) words='--name --user --purpose --token-file --config --help --' ;;
        login) words="--issuer --token-file $common" ;;
        holds)
            case $sub in
                show) words="$(_assent_holds) $common" ;;
                wait) words="$(_assent_holds) --timeout $common" ;;
                *) words="show wait --all --each --watch $common" ;;
            esac ;;
        approve) words="$(_assent_holds) --reason --shape --for --times --yes $common" ;;
        deny) words="$(_assent_holds) --agent --reason $common" ;;
        approvals) words="--all $common" ;;
        revoke | review) words="$(_assent_grants) --reason $common" ;;
        suspend | resume) words="--reason $common" ;;
        end) words="$(_assent_sessions) --reason $common" ;;
        sessions) words="--live --since --until --agent --target --verdict --limit --folder $common" ;;
        replay) words="$(_assent_sessions) --follow --folder $common" ;;
        search) words="--since --until --session --agent --target --verdict --limit --folder $common" ;;
        verify) words="--folder --key --checkpoint $common" ;;
        doctor) words="--attack $common" ;;
        upgrade) words="--drain $common" ;;
        govern) words="--unit --cgroup --pid --oci-hook $common" ;;
        detach) words="--reason $common" ;;
        token)
            case $sub in
                create) words="--scope --days $common" ;;
                list | revoke) words=$common ;;
                *) words="create list revoke $common" ;;
            esac ;;
        policy)
            case $sub in
                check) words="--with-settings --policy $common"; [[ $current == -* ]] || compopt -o dirnames ;;
                test) words="--policy $common"; [[ $current == -* ]] || compopt -o dirnames ;;
                explain) words="--policy --agent --target --database --sql --sql-file --catalog --at $common" ;;
                builtin | reload) words=$common ;;
                *) words="check test explain reload builtin $common" ;;
            esac ;;
        *) words=$common ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _assent assent
