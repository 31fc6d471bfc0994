# bash completion for nephrite(1). A new verb: a word in `verbs`, a case below.

_nephrite() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local verbs='server replay ini ping locks queue processes nodes deadlocks contention stats
    unlock sign-off'
  local talk='--connect --ini --json --help'
  local list="$talk --watch --max" who='--process --user'
  local words='' files=no

  case $previous in
    --ini) files=yes ;;
    --connect)
      compopt -o nospace
      mapfile -t COMPREPLY < <(compgen -W 'TcpIP, TcpIPv4, TcpIPv6, Unix,' -- "$current")
      return
      ;;
    --object | --process | --user | --max | --count | --reason | --schedule | --name | --set)
      return
      ;;
  esac

  if [[ $files == no && $COMP_CWORD -eq 1 ]]; then
    words="$verbs --help --version"
  elif [[ $files == no ]]; then
    case ${COMP_WORDS[1]} in
      server) words='--ini --name --set --help' ;;
      replay) words='--check --help' files=yes ;;
      ini)
        if [[ $COMP_CWORD -eq 2 ]]; then
          words='check show docs --help'
        elif [[ ${COMP_WORDS[2]} == docs ]]; then
          words='--help'
        else
          words='--name --set --help' files=yes
        fi
        ;;
      ping) words="$talk --count" ;;
      nodes | stats) words=$list ;;
      locks | queue) words="$list --object $who" ;;
      processes) words="$list $who" ;;
      deadlocks) words="$list --object $who --schedule" ;;
      contention) words="on off clear $list --object" ;;
      unlock) words="$talk --process --reason" ;;
      sign-off) words="$talk --reason" ;;
    esac
  fi

  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ $files == no || $current == -* ]] && return
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

complete -F _nephrite nephrite
