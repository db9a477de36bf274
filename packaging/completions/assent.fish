# fish completion of assent(1)

function __assent_holds
    assent holds 2>/dev/null | sed -n '2,$s/ .*//p' | grep '^h-'
end

function __assent_grants
    assent approvals 2>/dev/null | sed -n '2,$s/ .*//p' | grep '^[wg]-'
end

function __assent_sessions
    assent sessions --limit 50 2>/dev/null | sed -n '2,$s/ .*//p'
end

complete -c assent -f
complete -c assent -l config -r -F -d 'Settings of the daemon'
complete -c assent -l json -d 'Print JSON for programs'
complete -c assent -s h -l help -d 'Print help'
complete -c assent -n __fish_use_subcommand -l version -d 'Print the version'

complete -c assent -n __fish_use_subcommand -a run -d 'Start a command as a governed agent'
complete -c assent -n __fish_use_subcommand -a login -d 'Say who you are, or for whom this agent acts'
complete -c assent -n __fish_use_subcommand -a logout -d 'Forget your login'
complete -c assent -n __fish_use_subcommand -a whoami -d 'Who an agent is here, or who you are'
complete -c assent -n __fish_use_subcommand -a holds -d 'Commands that wait for a person'
complete -c assent -n __fish_use_subcommand -a approve -d 'Let a held command run, once'
complete -c assent -n __fish_use_subcommand -a deny -d 'Refuse a held command'
complete -c assent -n __fish_use_subcommand -a approvals -d 'What is approved beyond one command'
complete -c assent -n __fish_use_subcommand -a revoke -d 'End a widened approval, and what runs under it'
complete -c assent -n __fish_use_subcommand -a review -d 'Write down what was found behind broken glass'
complete -c assent -n __fish_use_subcommand -a suspend -d 'Let an agent do nothing until it is resumed'
complete -c assent -n __fish_use_subcommand -a resume -d 'Let a suspended agent work again'
complete -c assent -n __fish_use_subcommand -a sessions -d 'Sessions that were recorded'
complete -c assent -n __fish_use_subcommand -a replay -d 'What a session did'
complete -c assent -n __fish_use_subcommand -a search -d 'Find text in what was recorded'
complete -c assent -n __fish_use_subcommand -a verify -d 'Check that the log is what was written'
complete -c assent -n __fish_use_subcommand -a status -d 'What the daemon does'
complete -c assent -n __fish_use_subcommand -a doctor -d 'What agents on this host can still open'
complete -c assent -n __fish_use_subcommand -a policy -d 'Check, test, explain and reload policies'
complete -c assent -n __fish_use_subcommand -a govern -d 'Have a cgroup governed now'
complete -c assent -n __fish_use_subcommand -a end -d 'End a session now'
complete -c assent -n __fish_use_subcommand -a token -d 'Tokens by which programs use the API'
complete -c assent -n __fish_use_subcommand -a upgrade -d 'Let the installed assentd take over'
complete -c assent -n __fish_use_subcommand -a detach -d 'End all governing of this host'

complete -c assent -n '__fish_seen_subcommand_from run' -l name -x -d 'What the agent is called'
complete -c assent -n '__fish_seen_subcommand_from run' -l user -x -a '(__fish_complete_users)' -d 'Run as this user'
complete -c assent -n '__fish_seen_subcommand_from run' -l purpose -x -d 'What it is for'
complete -c assent -n '__fish_seen_subcommand_from run login' -l token-file -r -F -d 'A file with a token'
complete -c assent -n '__fish_seen_subcommand_from login' -l issuer -x -d 'The identity provider'

complete -c assent -n '__fish_seen_subcommand_from holds; and not __fish_seen_subcommand_from show wait' -a 'show wait'
complete -c assent -n '__fish_seen_subcommand_from holds' -l all -d 'Also those that have ended'
complete -c assent -n '__fish_seen_subcommand_from holds' -l each -d 'One line for each'
complete -c assent -n '__fish_seen_subcommand_from wait' -l timeout -x -d 'Wait for so long at most'
complete -c assent -n '__fish_seen_subcommand_from approve' -l shape -d 'The same statement with other values too'
complete -c assent -n '__fish_seen_subcommand_from approve' -l for -x -d 'How long it lasts'
complete -c assent -n '__fish_seen_subcommand_from approve' -l times -x -d 'How often it lets something through'
complete -c assent -n '__fish_seen_subcommand_from approve' -l yes -d 'Do not ask'
complete -c assent -n '__fish_seen_subcommand_from approvals' -l all -d 'Also those that are over'
complete -c assent -n '__fish_seen_subcommand_from revoke review' -a '(__assent_grants)'
complete -c assent -n '__fish_seen_subcommand_from holds' -l watch -d 'Stay, and take answers'
complete -c assent -n '__fish_seen_subcommand_from show wait approve deny' -a '(__assent_holds)'
complete -c assent -n '__fish_seen_subcommand_from govern' -l unit -x -d 'The unit that runs under this name'
complete -c assent -n '__fish_seen_subcommand_from govern' -l cgroup -x -d 'A cgroup, by its path from the mount'
complete -c assent -n '__fish_seen_subcommand_from govern' -l pid -x -a '(__fish_complete_pids)' -d 'The cgroup of this process'
complete -c assent -n '__fish_seen_subcommand_from govern' -l oci-hook -d 'The container whose state comes by the standard input'
complete -c assent -n '__fish_seen_subcommand_from approve deny end detach revoke review suspend resume' -l reason -x -d 'Why'
complete -c assent -n '__fish_seen_subcommand_from end replay' -a '(__assent_sessions)'

complete -c assent -n '__fish_seen_subcommand_from sessions' -l live -d 'Those that are open now'
complete -c assent -n '__fish_seen_subcommand_from sessions search' -l target -x -d 'Only to this target'
complete -c assent -n '__fish_seen_subcommand_from sessions search' -l until -x -d 'Before then'
complete -c assent -n '__fish_seen_subcommand_from sessions search' -l verdict -x -a 'allow hold deny' -d 'Only what was judged so'
complete -c assent -n '__fish_seen_subcommand_from replay' -l follow -d 'Go on until the session closes'
complete -c assent -n '__fish_seen_subcommand_from sessions search' -l since -x -d 'Then or later: 12h, 7d, 2026-11-22'
complete -c assent -n '__fish_seen_subcommand_from sessions search deny' -l agent -x -d 'Only of this agent'
complete -c assent -n '__fish_seen_subcommand_from sessions search' -l limit -x -d 'At most so many'
complete -c assent -n '__fish_seen_subcommand_from search' -l session -x -a '(__assent_sessions)' -d 'Only in this session'
complete -c assent -n '__fish_seen_subcommand_from sessions replay search verify' -l folder -x -a '(__fish_complete_directories)' -d 'The log'
complete -c assent -n '__fish_seen_subcommand_from upgrade' -l drain -x -d 'Seconds for open sessions to end'
complete -c assent -n '__fish_seen_subcommand_from doctor' -l attack -d 'Try every way around assent'
complete -c assent -n '__fish_seen_subcommand_from verify' -l key -r -F -d 'Public key'
complete -c assent -n '__fish_seen_subcommand_from verify' -l checkpoint -r -F -d 'One that was kept elsewhere'

set -l policy_verbs check test explain reload builtin
complete -c assent -n "__fish_seen_subcommand_from policy; and not __fish_seen_subcommand_from $policy_verbs" -a "$policy_verbs"
complete -c assent -n '__fish_seen_subcommand_from check test' -a '(__fish_complete_directories)'
complete -c assent -n '__fish_seen_subcommand_from check' -l with-settings -d 'Check against the settings too'
complete -c assent -n '__fish_seen_subcommand_from check test explain' -l policy -x -a '(__fish_complete_directories)' -d 'Policy directory'
complete -c assent -n '__fish_seen_subcommand_from explain' -l agent -x -d 'A named set of agents'
complete -c assent -n '__fish_seen_subcommand_from explain' -l target -x -d 'A target'
complete -c assent -n '__fish_seen_subcommand_from explain' -l database -x -d 'Database'
complete -c assent -n '__fish_seen_subcommand_from explain' -l sql -x -d 'The text'
complete -c assent -n '__fish_seen_subcommand_from explain' -l sql-file -r -F -d 'A file with the text'
complete -c assent -n '__fish_seen_subcommand_from explain' -l catalog -r -F -d 'Relations and columns'
complete -c assent -n '__fish_seen_subcommand_from explain' -l at -x -d 'Judge as at this time'

complete -c assent -n "__fish_seen_subcommand_from token; and not __fish_seen_subcommand_from create list revoke" -a 'create list revoke'
complete -c assent -n '__fish_seen_subcommand_from create' -l scope -x -a 'holds records policy status end' -d 'What it may do'
complete -c assent -n '__fish_seen_subcommand_from create' -l days -x -d 'For how many days'
