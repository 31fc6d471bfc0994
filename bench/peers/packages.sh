# What the peers need beside what Nephrite needs (cmake/packages.sh). Sourced by what builds them.
# Servers that Debian would start by itself are not wanted: each driver starts one of its own.

peer_packages=(
  libdb5.3-dev
  libpq-dev postgresql-15
  libhiredis-dev redis-server
  etcd-server
)
