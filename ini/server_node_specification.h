#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace nephrite {

/// The longest path of a socket: what fits into the system's sockaddr_un.
inline constexpr std::size_t kSocketPathBytes = 107;

/// Where a client node finds its server node: [JadeClient] ServerNodeSpecifications.
///
/// Shape:   `transport, host, port`, or `Unix, path`. The transports are TcpIP (IP version 6, then
///          4; also called TcpIPAny), TcpIPv4 and TcpIPv6, in any letter case, and our own Unix, a
///          socket in the file system.
/// Source:  JADE manual, Initialization File Reference, "ServerNodeSpecifications". Not taken over:
///          port names, a local interface and port, and the transports JadeLocal and HPSM.
struct ServerNodeSpecification {
  enum class Transport { TcpIP, TcpIPv4, TcpIPv6, Unix };

  Transport transport = Transport::TcpIP;
  std::string host;              ///< A name or an address; empty for Unix.
  std::uint16_t port = 0;        ///< 0 for Unix.
  std::filesystem::path socket;  ///< Unix only.

  /// As the INI file has it: "TcpIP, localhost, 6005".
  std::string toString() const;

  bool operator==(const ServerNodeSpecification&) const = default;
};

/// Reads one. A relative socket starts at `folder`. std::invalid_argument says what is wrong and
/// shows what is right; the text begins so that it can follow the value: "names no port; ...".
ServerNodeSpecification parseServerNodeSpecification(std::string_view text,
                                                     const std::filesystem::path& folder);

}  // namespace nephrite
