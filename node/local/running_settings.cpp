#include "node/local/running_settings.h"

#include <utility>

#include "base/log.h"
#include "ini/parameter_table.h"

namespace nephrite {
namespace {

std::string describe(const EffectiveValue& value) {
  return std::string(value.parameter->section) + "." + std::string(value.parameter->name) + " = " +
         value.text + " (" + value.origin.describe() + ")";
}

}  // namespace

RunningSettings::RunningSettings(const std::filesystem::path& iniFile, IniArguments arguments)
    : iniFile_(locateIniFile(iniFile, {})),
      arguments_(std::move(arguments)),
      running_(loadSettings(iniFile_, arguments_)) {
  setLogLevel(now().logLevel);
}

Settings RunningSettings::now() const {
  MutexLock hold(mutex_);
  return running_.settings;
}

Resolution RunningSettings::resolution() const {
  MutexLock hold(mutex_);
  return running_;
}

RunningSettings::Report RunningSettings::reload() {
  MutexLock hold(mutex_);
  Reload read = reloadSettings(running_, iniFile_, arguments_);
  running_ = std::move(read.now);
  setLogLevel(running_.settings.logLevel);

  Report report{running_.settings, {}, {}};
  for (const EffectiveValue& value : read.changed) report.changed.push_back(describe(value));
  for (const IniProblem& problem : read.problems) report.problems.push_back(problem.describe());
  return report;
}

void RunningSettings::log(const Report& report) const {
  for (const std::string& changed : report.changed) {
    nephrite::log(LogLevel::Info, "ini.changed", {{"parameter", changed}});
  }
  for (const std::string& problem : report.problems) {
    nephrite::log(LogLevel::Warning, "ini.problem", {{"problem", problem}});
  }
  if (report.changed.empty() && report.problems.empty()) {
    nephrite::log(LogLevel::Info, "ini.unchanged", {{"ini", iniFile_.string()}});
  }
}

}  // namespace nephrite
