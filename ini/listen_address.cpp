#include "ini/listen_address.h"

#include <arpa/inet.h>

namespace nephrite {

std::string refusalOfListenAddress(const std::string& address) {
  if (address == "localhost") return "";
  in_addr four{};
  in6_addr six{};
  const bool isFour = ::inet_pton(AF_INET, address.c_str(), &four) == 1;
  if (!isFour && ::inet_pton(AF_INET6, address.c_str(), &six) != 1)
    return "is no IP address; 127.0.0.1 and ::1 can be listened on";
  const bool here = isFour ? (ntohl(four.s_addr) >> 24) == 127 : IN6_IS_ADDR_LOOPBACK(&six);
  if (here) return "";
  return "is refused: clients cannot authenticate themselves yet, so a server node listens on this "
         "machine only (127.0.0.1 or ::1, and a unix socket); to reach it from elsewhere, forward "
         "the port with ssh -L";
}

}  // namespace nephrite
