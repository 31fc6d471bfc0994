#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "objects/store_exception.h"
#include "runtime/node.h"

namespace nephrite {

/// What open() opens, and how.
struct OpenOptions {
  std::filesystem::path directory{};  ///< Where the store is. Made when it is not there.
  std::string nodeName = "main";      ///< For people: what listings call this program.
  /// How long a lock call waits when neither it nor its process says so.
  std::chrono::milliseconds lockTimeout{10'000};
  std::chrono::milliseconds backgroundLockTimeout{30'000};  ///< The same of background processes.
  bool syncCommits = true;  ///< Off: commits are faster, and a power cut may lose the last ones.
  std::uint64_t cacheBytes = 80ull << 20;  ///< For objects in memory.
};

/// Opens the database in `directory` in this very program, and signs a node on to it:
///
///     Node shop = nephrite::open({.directory = "orders"});
///     Process anna = shop.signOn({.user = "anna"});
///
/// Lasts:   the store is closed when the Node has ended and no Process, Object or other handle of
///          it is left. Until then, no program can open it again.
/// Others:  one program at a time has a directory open. Several programs work on one database
///          through a server: connect() in node/connect.h, or ClientNode. A program whose settings
///          come from an INI file starts from EmbeddedNode.
/// Errors:  StoreException, whose reason() says whether the directory cannot be made or read, is
///          open already, or is damaged.
Node open(const OpenOptions& options);

}  // namespace nephrite
