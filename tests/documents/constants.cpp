#include "tests/documents/constants.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>

#include "ini/ini_value.h"

namespace nephrite::documents {
namespace {

std::int64_t digits(std::string text) {
  std::erase_if(text, [](char c) { return c == '\'' || c == ',' || c == '_'; });
  return std::stoll(text, nullptr, 0);
}

}  // namespace

std::string textOf(const std::string& file) {
  std::ifstream in(NEPHRITE_SOURCE_DIR "/" + file);
  EXPECT_TRUE(in) << file;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::int64_t hidden(const std::string& file, const std::string& name) {
  const std::string type = R"((?:std::\w+\{)?)", number = R"((0x[0-9A-Fa-f']+|[0-9][0-9']*)u?)";
  const std::regex form("\\b" + name + R"((?: = |\{))" + type + number +
                        R"(\}?(?: << (\d+))?(?: \* (\d+))?[;,}])");
  const std::string text = textOf(file);
  std::smatch found;
  if (!std::regex_search(text, found, form)) {
    ADD_FAILURE() << file << " has no constant " << name << " that this test can read";
    return 0;
  }
  std::int64_t value = digits(found[1]);
  if (found[2].matched) value <<= std::stoi(found[2]);
  if (found[3].matched) value *= std::stoi(found[3]);
  return value;
}

std::int64_t numberIn(const std::string& file, const std::string& form) {
  const std::string text = textOf(file);
  std::smatch found;
  if (std::regex_search(text, found, std::regex(form))) return digits(found[1]);
  ADD_FAILURE() << file << " has nothing like " << form;
  return 0;
}

const Parameter& parameter(std::string_view section, std::string_view name) {
  const Parameter* const row = findParameter(section, name);
  EXPECT_NE(row, nullptr) << section << "." << name;
  return *row;
}

std::int64_t defaultOf(std::string_view section, std::string_view name) {
  return parseIniNumber(parameter(section, name).defaultText, true)->value;
}

std::int64_t mostOf(std::string_view section, std::string_view name) {
  return parameter(section, name).range.most;
}

std::int64_t longestUnread() { return 2 * hidden("node/client/asio_carrier.cpp", "kLongestIdle"); }
std::int64_t answerSlack() { return hidden("node/client/remote_database.h", "kSlack") / 1000; }
std::int64_t roughTime() {
  return numberIn("base/clock.cpp", R"(kRoughlyNow = std::chrono::milliseconds\((\d+)\))");
}
std::int64_t pingsInASilence() {
  return numberIn("node/client/session_deadlines.cpp", R"(third = keepAlive\(\) / (\d+);)");
}

std::int64_t days(std::chrono::seconds time) {
  return std::chrono::duration_cast<std::chrono::days>(time).count();
}
std::int64_t years(std::int64_t nanoseconds) {
  const std::chrono::nanoseconds time(nanoseconds);
  return std::chrono::duration_cast<std::chrono::years>(time).count();
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

std::string inWords(std::int64_t number) {
  static const std::map<std::int64_t, std::string> words{
      {1, "one"},   {2, "two"},       {3, "three"},        {4, "four"},
      {8, "eight"}, {100, "hundred"}, {1 << 20, "million"}};
  const auto found = words.find(number);
  return found == words.end() ? std::to_string(number) : found->second;
}

std::string aSecond(std::int64_t seconds) {
  return seconds == 1 ? "a second" : std::to_string(seconds) + " seconds";
}

std::string kibibytes(std::int64_t bytes) {
  return bytes % 1024 == 0 ? std::to_string(bytes >> 10) + " KiB" : std::to_string(bytes);
}
std::string mebibytes(std::int64_t bytes) {
  return bytes % (1 << 20) == 0 ? std::to_string(bytes >> 20) + " MiB" : kibibytes(bytes);
}

std::string part(std::int64_t of, std::int64_t whole) {
  if (of * 3 == whole) return "a third";
  if (of * 3 == whole * 2) return "two thirds";
  return std::to_string(of) + "/" + std::to_string(whole);
}

}  // namespace nephrite::documents
