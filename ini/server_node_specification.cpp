#include "ini/server_node_specification.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <vector>

#include "ini/ini_parser.h"

namespace nephrite {
namespace {

using Transport = ServerNodeSpecification::Transport;

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument(what +
                              "; right is, for example, 'TcpIP, localhost, 6005' or "
                              "'Unix, /run/nephrite/nephrite.sock'");
}

bool isControl(char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; }

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::vector<std::string_view> partsOf(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto comma = text.find(',');
    parts.push_back(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

Transport transportOf(std::string_view word) {
  const std::string folded = foldCase(word);
  if (folded == "tcpip" || folded == "tcpipany") return Transport::TcpIP;
  if (folded == "tcpipv4") return Transport::TcpIPv4;
  if (folded == "tcpipv6") return Transport::TcpIPv6;
  if (folded == "unix") return Transport::Unix;
  if (folded == "jadelocal" || folded == "hpsm")
    refuse("names the transport " + std::string(word) +
           ", which is JADE's alone; on one machine use Unix");
  refuse("begins with '" + std::string(word) +
         "', which is none of the transports TcpIP, TcpIPv4, TcpIPv6 and Unix");
}

std::uint16_t portOf(std::string_view text) {
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (error == std::errc() && stop == end && port != 0) return port;
  refuse("names the port '" + std::string(text) + "', which is no number from 1 to 65535");
}

const char* nameOf(Transport transport) {
  switch (transport) {
    case Transport::TcpIP: return "TcpIP";
    case Transport::TcpIPv4: return "TcpIPv4";
    case Transport::TcpIPv6: return "TcpIPv6";
    case Transport::Unix: return "Unix";
  }
  return "";
}

}  // namespace

std::string ServerNodeSpecification::toString() const {
  if (transport == Transport::Unix) return "Unix, " + socket.string();
  return std::string(nameOf(transport)) + ", " + host + ", " + std::to_string(port);
}

ServerNodeSpecification parseServerNodeSpecification(std::string_view text,
                                                     const std::filesystem::path& folder) {
  if (trimmed(text).empty()) refuse("is empty");
  if (std::any_of(text.begin(), text.end(), isControl)) refuse("holds a control character");
  const auto parts = partsOf(text);
  ServerNodeSpecification server;
  server.transport = transportOf(parts[0]);

  if (server.transport == Transport::Unix) {
    // The rest is the path, commas and all.
    const auto comma = text.find(',');
    const std::string_view path =
        comma == std::string_view::npos ? std::string_view() : trimmed(text.substr(comma + 1));
    if (path.empty()) refuse("names no socket");
    server.socket = folder / path;
    if (server.socket.string().size() > kSocketPathBytes)
      refuse("names the socket " + server.socket.string() + ", which is longer than the " +
             std::to_string(kSocketPathBytes) + " bytes that a socket's path may have");
    return server;
  }

  if (parts.size() < 2 || parts[1].empty()) refuse("names no host");
  if (parts.size() < 3 || parts[2].empty()) refuse("names no port");
  if (parts.size() > 3)
    refuse("goes on after the port with '" + std::string(parts[3]) +
           "': a second server, a local interface and a local port are not supported");
  if (parts[1].find_first_of(" \t[]") != std::string_view::npos)
    refuse("names the host '" + std::string(parts[1]) +
           "', which is neither a name nor an address without brackets");
  server.host = parts[1];
  server.port = portOf(parts[2]);
  return server;
}

}  // namespace nephrite
