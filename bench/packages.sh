# What bench/run needs beside what Nephrite needs (cmake/packages.sh). Sourced by it. The peers'
# own list, where there is one, stands beside their drivers.

bench_packages=(python3)
peer_packages=()
if [[ -f $root/bench/peers/packages.sh ]]; then
  source "$root/bench/peers/packages.sh"
fi
