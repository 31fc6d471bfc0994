# fish completion for nephrite(1).

set -l talk ping locks queue processes nodes deadlocks contention stats unlock sign-off
set -l finds $talk lock
set -l list locks queue processes nodes deadlocks contention stats
set -l objects locks queue deadlocks contention
set -l who locks queue processes deadlocks

complete -c nephrite -f
complete -c nephrite -n __fish_use_subcommand -l version -d 'Print the version'
complete -c nephrite -l help -d 'Show help'

complete -c nephrite -n __fish_use_subcommand -a server -d 'Run a server node'
complete -c nephrite -n __fish_use_subcommand -a replay -d 'Play a lock schedule'
complete -c nephrite -n __fish_use_subcommand -a ini -d 'Look at an INI file'
complete -c nephrite -n __fish_use_subcommand -a ping -d 'Ask whether a server node answers'
complete -c nephrite -n __fish_use_subcommand -a locks -d 'List locks'
complete -c nephrite -n __fish_use_subcommand -a queue -d 'List lock requests that wait'
complete -c nephrite -n __fish_use_subcommand -a processes -d 'List processes'
complete -c nephrite -n __fish_use_subcommand -a nodes -d 'List nodes'
complete -c nephrite -n __fish_use_subcommand -a deadlocks -d 'List the latest deadlocks'
complete -c nephrite -n __fish_use_subcommand -a contention -d 'Contention statistics'
complete -c nephrite -n __fish_use_subcommand -a stats -d 'Show counters'
complete -c nephrite -n __fish_use_subcommand -a unlock -d 'Take a lock away from a process'
complete -c nephrite -n __fish_use_subcommand -a sign-off -d 'End a process or a node'
complete -c nephrite -n __fish_use_subcommand -a lock -d 'Run a command under a lock'

complete -c nephrite -n "__fish_seen_subcommand_from server $finds" -l ini -rF -d 'The INI file'
complete -c nephrite -n '__fish_seen_subcommand_from server ini' -l name -x -d 'Id of sections'
complete -c nephrite -n '__fish_seen_subcommand_from server ini' -l set -x \
    -d 'Section.Parameter=value'
complete -c nephrite -n '__fish_seen_subcommand_from replay' -F
complete -c nephrite -n '__fish_seen_subcommand_from replay' -l check -d 'Check invariants'
complete -c nephrite -n '__fish_seen_subcommand_from ini' -a 'check show docs'
complete -c nephrite -n '__fish_seen_subcommand_from check show' -F

complete -c nephrite -n "__fish_seen_subcommand_from $finds" -l connect -x \
    -a 'TcpIP, TcpIPv4, TcpIPv6, Unix,' -d 'Where the server node is'
complete -c nephrite -n "__fish_seen_subcommand_from $talk" -l json -d 'Print JSON'
complete -c nephrite -n "__fish_seen_subcommand_from $list" -l watch \
    -d 'Print again and again'
complete -c nephrite -n "__fish_seen_subcommand_from $objects" -l object -x -d 'Of this object'
complete -c nephrite -n "__fish_seen_subcommand_from $who unlock" -l process -x \
    -d 'Of this process'
complete -c nephrite -n "__fish_seen_subcommand_from $who" -l user -x -d 'Of this user'
complete -c nephrite -n "__fish_seen_subcommand_from $list" -l max -x -d 'At most so many'
complete -c nephrite -n '__fish_seen_subcommand_from ping' -l count -x -d 'Round trips'
complete -c nephrite -n '__fish_seen_subcommand_from deadlocks' -l schedule -x \
    -d 'Print one as a schedule'
complete -c nephrite -n '__fish_seen_subcommand_from contention' -a 'on off clear'
complete -c nephrite -n '__fish_seen_subcommand_from unlock sign-off' -l reason -x \
    -d 'For the audit log'
complete -c nephrite -n '__fish_seen_subcommand_from lock' -l type -x \
    -a 'share reserve update exclusive' -d 'Of the lock'
complete -c nephrite -n '__fish_seen_subcommand_from lock' -l timeout -x -d 'Wait so long (ms)'
complete -c nephrite -n '__fish_seen_subcommand_from lock' -l ttl -x -d 'Lease of the lock (ms)'
complete -c nephrite -n '__fish_seen_subcommand_from lock' -l grace -x \
    -d 'From SIGTERM to SIGKILL (ms)'
complete -c nephrite -n '__fish_seen_subcommand_from lock; and contains -- -- (commandline -opc)' \
    -a '(__fish_complete_subcommand)'
