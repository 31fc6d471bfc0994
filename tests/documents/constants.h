#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ini/parameter_table.h"

namespace nephrite::documents {

/// What `file` has, from the top of the tree.
std::string textOf(const std::string& file);

/// A constant of the code that no header shows, by its name: reads `kName = 1u << 20`,
/// `kName{250'000}` and their like out of `file`. Zero, and a failure of the test, when it is not
/// there or is written in another way.
std::int64_t hidden(const std::string& file, const std::string& name);
/// The number that a line of `file` has where `form` has its brackets.
std::int64_t numberIn(const std::string& file, const std::string& form);

const Parameter& parameter(std::string_view section, std::string_view name);
/// As a number of milliseconds or bytes, or what it counts.
std::int64_t defaultOf(std::string_view section, std::string_view name);
std::int64_t mostOf(std::string_view section, std::string_view name);

// Numbers of the code that several documents say.

/// Milliseconds that a client node may not look into its socket for: a caller comes just after the
/// carrier's thread has looked, and is seen when it looks next.
std::int64_t longestUnread();
/// Seconds over a request's own timeout, until a client node gives up on it.
std::int64_t answerSlack();
/// Milliseconds that the rough time is behind.
std::int64_t roughTime();
/// Of a client node that hears nothing, in a KeepAliveTimeout.
std::int64_t pingsInASilence();

// Units.

constexpr std::int64_t bits(std::size_t bytes) { return static_cast<std::int64_t>(bytes) * 8; }
std::int64_t days(std::chrono::seconds time);
std::int64_t years(std::int64_t nanoseconds);

// As documents write them.

std::string grouped(std::int64_t number);               ///< "10,000".
std::string inWords(std::int64_t number);               ///< "four", "hundred".
std::string aSecond(std::int64_t seconds);              ///< "a second".
std::string kibibytes(std::int64_t bytes);              ///< "4 KiB".
std::string mebibytes(std::int64_t bytes);              ///< "16 MiB".
std::string part(std::int64_t of, std::int64_t whole);  ///< "a third", "two thirds".

}  // namespace nephrite::documents
