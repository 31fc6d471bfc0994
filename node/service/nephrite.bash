# bash completion for nephrite(1). A new verb: a word in `verbs`, a case below.

_nephrite() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local verbs='server replay ini ping locks queue processes nodes deadlocks contention stats
    unlock sign-off lock'
  local talk='--connect --ini --json --help'
  local list="$talk --watch --max" who='--process --user'
  local words='' files=no

  # What stands behind -- is a command, with its own completion.
  local at
  if [[ ${COMP_WORDS[1]} == lock ]]; then
    for ((at = 2; at < COMP_CWORD; at++)); do
      [[ ${COMP_WORDS[at]} == -- ]] || continue
      if declare -F _command_offset >/dev/null; then
        _command_offset $((at + 1))
      elif ((COMP_CWORD == at + 1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
      else
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      fi
      return
    done
  fi

  case $previous in
    --ini) files=yes ;;
    --connect)
      compopt -o nospace
      mapfile -t COMPREPLY < <(compgen -W 'TcpIP, TcpIPv4, TcpIPv6, Unix,' -- "$current")
      return
      ;;
    --type)
      mapfile -t COMPREPLY < <(compgen -W 'share reserve update exclusive' -- "$current")
      return
      ;;
    --timeout | --ttl | --grace) return ;;
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
      lock) words='--type --timeout --ttl --grace --connect --ini --help --' ;;
    esac
  fi

  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ $files == no || $current == -* ]] && return
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

complete -F _nephrite nephrite
