#compdef nephrite
# zsh completion for nephrite(1); installed as _nephrite.

_nephrite() {
  local -a verbs talk list
  verbs=(
    'server:run a server node'
    'replay:play a lock schedule on a virtual clock'
    'ini:look at an INI file'
    'ping:ask whether a server node answers'
    'locks:list locks'
    'queue:list lock requests that wait'
    'processes:list processes'
    'nodes:list nodes'
    'deadlocks:list the latest deadlocks'
    'contention:show, begin, end or clear contention statistics'
    'stats:show counters'
    'unlock:take a lock away from a process'
    'sign-off:end a process or a node'
    'lock:run a command while holding a lock'
  )
  talk=(
    '--connect[where the server node is]:specification:(TcpIP, TcpIPv4, TcpIPv6, Unix,)'
    '--ini[INI file that says so]:file:_files'
    '--json[print JSON]'
    '--help[show help]'
  )
  list=(
    $talk
    '--watch=-[print again and again]::seconds:'
    '--max[at most so many]:number:'
  )
  local -a object=('--object[of this object]:oid:')
  local -a who=('--process[of this process]:process:' '--user[of this user]:user:')
  local -a ini=(
    '--name[Id of two-level sections]:id:'
    '*--set[Section.Parameter=value]:setting:'
    '--help[show help]'
  )

  if (( CURRENT == 2 )); then
    [[ $PREFIX == -* ]] && compadd -- --help --version
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
    server) _arguments $ini '--ini[the INI file]:file:_files' ;;
    replay) _arguments '--check[check invariants after each line]' '--help' ':schedule:_files' ;;
    ini) _arguments $ini ':what:(check show docs)' ':INI file:_files' ;;
    ping) _arguments $talk '--count[round trips]:number:' ;;
    nodes|stats) _arguments $list ;;
    locks|queue) _arguments $list $object $who ;;
    processes) _arguments $list $who ;;
    deadlocks) _arguments $list $object $who '--schedule[print one as a schedule]:number:' ;;
    contention) _arguments $list $object ':what:(on off clear)' ;;
    unlock)
      _arguments $talk '--process[whose lock]:process:' '--reason[for the audit log]:text:' \
        ':object:'
      ;;
    lock)
      _arguments -S \
        '--type[of the lock]:type:(share reserve update exclusive)' \
        '--timeout[wait so long]:milliseconds:' \
        '--ttl[lease of the lock]:milliseconds:' \
        '--grace[from SIGTERM to SIGKILL]:milliseconds:' \
        '--connect[where the server node is]:specification:(TcpIP, TcpIPv4, TcpIPv6, Unix,)' \
        '--ini[INI file that says so]:file:_files' \
        '--help[show help]' ':resource:' '*::command:_normal'
      ;;
    sign-off) _arguments $talk '--reason[for the audit log]:text:' ':process or node:' ;;
  esac
}

_nephrite "$@"
