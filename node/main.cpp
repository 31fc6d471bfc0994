// The nephrite program: one verb for each thing that people do with a node.

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "ini/ini_file.h"
#include "node/ini_command.h"
#include "node/replay.h"

namespace nephrite {
namespace {

struct IniArgs {
  std::string file;
  std::string name;
  std::vector<std::string> overrides;

  std::filesystem::path path() const { return locateIniFile(file, {}); }

  void addTo(CLI::App& command) {
    command.add_option("FILE", file, "The INI file; default: jade.ini in the working directory");
    command.add_option("--name", name,
                       "Id of two-level sections: [Id.JadeServer] counts before [JadeServer]");
    command.add_option("--set", overrides,
                       "Section.Parameter=value: beats the file, as on a JADE command line");
  }
};

int replayFile(const std::string& file, bool checkInvariants) {
  if (file == "-") return replay(std::cin, std::cout, std::cerr, checkInvariants);
  std::error_code none;
  if (std::filesystem::is_directory(file, none)) {
    std::cerr << "nephrite replay: " << file << " is a directory; name a schedule file\n";
    return 2;
  }
  std::ifstream schedule(file);
  if (!schedule) {
    std::cerr << "nephrite replay: cannot open " << file << ": " << std::strerror(errno) << '\n';
    return 2;
  }
  return replay(schedule, std::cout, std::cerr, checkInvariants);
}

int run(int argc, char** argv) {
  CLI::App app{"Nephrite: an object database node with an object lock manager."};
  app.footer(
      "Examples:\n"
      "  nephrite replay deadlock.sched        play a lock schedule; one JSON event a line\n"
      "  nephrite ini check jade.ini           say what is wrong in an INI file, and where\n"
      "  nephrite ini show jade.ini            every parameter, its value, where it comes from\n"
      "\n"
      "Schedules are described in docs/schedule.md, INI parameters in docs/ini.md.");
  app.set_version_flag("--version", "nephrite " NEPHRITE_VERSION);
  app.require_subcommand(1);

  std::string schedule;
  CLI::App* const replayCommand = app.add_subcommand(
      "replay", "Play a lock schedule on a virtual clock with the real lock manager");
  replayCommand->add_option("FILE", schedule, "The schedule; - for standard input")->required();
  bool checked = false;
  replayCommand->add_flag("--check", checked,
                          "Check the invariants of the lock table after each line (slower)");
  replayCommand->footer(
      "A schedule:\n"
      "  process A\n"
      "  process B background\n"
      "  object X\n"
      "  A begin\n"
      "  A exclusiveLock X\n"
      "  B lock X share session 500\n"
      "  advance 500\n"
      "\n"
      "Exit status: 0, or 2 when a line cannot be played (standard error says which).");

  CLI::App* const ini = app.add_subcommand("ini", "Look at an INI file");
  ini->require_subcommand(1);
  IniArgs checkedIni;
  CLI::App* const check = ini->add_subcommand(
      "check", "Report what is wrong; exit status 0 (warnings included), 1 errors, 2 wrong use");
  checkedIni.addTo(*check);
  IniArgs shown;
  CLI::App* const show =
      ini->add_subcommand("show", "Every parameter with its value and where it comes from");
  shown.addTo(*show);
  CLI::App* const docs =
      ini->add_subcommand("docs", "Print docs/ini.md, made from the table of parameters");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }

  if (*replayCommand) return replayFile(schedule, checked);
  if (*check) {
    return iniCheck(checkedIni.path(), checkedIni.overrides, checkedIni.name, std::cout, std::cerr);
  }
  if (*show) return iniShow(shown.path(), shown.overrides, shown.name, std::cout, std::cerr);
  if (*docs) return iniDocs(std::cout);
  return 2;
}

}  // namespace
}  // namespace nephrite

int main(int argc, char** argv) {
  try {
    return nephrite::run(argc, argv);
  } catch (const std::exception& failure) {
    std::cerr << "nephrite: " << failure.what() << '\n';
    return 1;
  }
}
