# What a Debian 12 machine needs to build Nephrite, and how it gets it. Sourced by ./quickstart
# and ./test, which set nothing before it but `set -euo pipefail`.

build_packages=(
  g++ cmake ninja-build pkgconf
  libboost1.81-dev libboost-container1.81-dev libboost-json1.81-dev
  libsystemd-dev libicu-dev libinih-dev librocksdb-dev libfmt-dev libcli11-dev
  flatbuffers-compiler libflatbuffers-dev
)
test_packages=(clang-14 llvm-14 lld libclang-rt-14-dev libgtest-dev libgmock-dev valgrind)
fuzz_packages=(libfuzzer-14-dev)

say() { printf '\n==> %s\n' "$*"; }
complain() { printf '\n%s\n' "$*" >&2; }
elapsed_since() { printf '%dm%02ds' $((($(date +%s) - $1) / 60)) $((($(date +%s) - $1) % 60)); }

# step TITLE COMMAND...: says what it does, shows the command, lets its output through, and says
# how long it took. Its status is the command's.
step() {
  local title=$1 began status=0
  shift
  began=$(date +%s)
  say "$title"
  printf '    %s\n' "$*"
  "$@" </dev/null || status=$?
  if [[ $status -eq 0 ]]; then
    printf '    done in %s\n' "$(elapsed_since "$began")"
  else
    complain "    failed after $(elapsed_since "$began") with status $status: $*"
  fi
  return "$status"
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Boost 1.81 and Debian's default 1.74 cannot both be installed for development.
agree_to_replace_boost() {
  local yes=$1 old answer
  old=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'libboost*1.74-dev' 2>/dev/null |
    awk '$1 == "installed" { printf "%s ", $2 }') || true
  [[ -z $old ]] && return 0
  complain "Nephrite needs Boost 1.81. Debian does not let it stand beside Boost 1.74's development
packages, so apt will remove these, and what depends on them:
    $old
Programs that are built already keep running: the 1.74 run-time libraries stay."
  [[ $yes == yes ]] && return 0
  if [[ -t 0 && -z ${CI:-} ]]; then
    read -r -p 'Remove them and go on? [y/N] ' answer
    [[ $answer == [yY]* ]] && return 0
  else
    complain "Nobody is here to ask. Run this again with --yes to agree."
  fi
  return 1
}

# install_packages YES PACKAGE...: installs what is missing of PACKAGE..., and only that.
# YES is `yes` when the user has agreed to whatever apt has to remove.
install_packages() {
  local yes=$1 package missing=() as_root=()
  shift
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    complain "No apt here, so this is not Debian. Going on with what is installed; needed is what
Debian 12 calls: $*"
    return 0
  fi
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  if [[ ${#missing[@]} -eq 0 ]]; then
    say "Packages: all $# that are needed are installed"
    return 0
  fi
  if [[ $(id -u) -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
      complain "Packages are missing, and you are neither root nor is there sudo. Ask root:
    apt-get install --no-install-recommends ${missing[*]}"
      return 1
    fi
    as_root=(sudo)
  fi
  agree_to_replace_boost "$yes" || return 1
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  step "Packages: reading what Debian offers" "${as_root[@]}" apt-get update -q || return 1
  step "Packages: installing ${#missing[@]} of the $# that are needed" \
    "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
}
