#pragma once

// Private to node: the verbs that ask a server node.

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "ini/settings.h"
#include "node/program/lock_listing.h"
#include "node/program/server_views.h"

namespace nephrite {

class ConnectedDatabase;

/// What all of them take.
struct OperatorOptions {
  std::string connect;  ///< As ServerNodeSpecifications; empty: from the INI file.
  std::string iniFile;  ///< Empty: jade.ini in the working directory when there, else defaults.
  bool json = false;
  std::optional<double> watchSeconds;
  Selection selection;
};

/// The settings that say where the server is. WrongUse and IniError: those of a file with errors
/// are not guessed at.
Settings settingsOf(const OperatorOptions& options);
/// Who runs this program: the name of the user, or his number when he has none.
std::string userHere();

/// Where what is printed goes, and how wide it may be there.
struct OperatorOutput {
  std::ostream& out;
  std::ostream& err;
  bool terminal = false;
  std::size_t width = 0;   ///< Of the lines of a watch; 0: as long as they are.
  std::size_t height = 0;  ///< Lines that a watch may draw; 0: all.
};

/// Each returns the exit status: 0, 1 when the server cannot be reached or refuses, 2 for wrong
/// use; ping 3, too, when the server answers and cannot do its work. They sign on no node:
/// an operator that looks is not seen.
using ViewOf = View (*)(RemoteDatabase&, const Selection&);
int showView(ViewOf viewOf, const OperatorOptions& options, OperatorOutput& output);
/// Prints a list as its pages come.
using PrintList = void (*)(RemoteDatabase&, const Selection&, const ListingOutput&);
int showView(PrintList printList, const OperatorOptions& options, OperatorOutput& output);
int showDeadlocks(std::optional<std::uint64_t> schedule, const OperatorOptions& options,
                  OperatorOutput& output);
/// `verb`: "", "on", "off" or "clear".
int contention(const std::string& verb, std::size_t size, const OperatorOptions& options,
               OperatorOutput& output);
int ping(int count, const OperatorOptions& options, OperatorOutput& output);
int unlockByForce(const std::string& object, const std::string& process, const std::string& reason,
                  const OperatorOptions& options, OperatorOutput& output);
int signOffByForce(const std::string& whom, const std::string& reason,
                   const OperatorOptions& options, OperatorOutput& output);

}  // namespace nephrite
