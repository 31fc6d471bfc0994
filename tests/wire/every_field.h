#pragma once

#include <boost/container/small_vector.hpp>
#include <boost/pfr.hpp>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "objects/change_set.h"

namespace nephrite::wire {

// Walks through the fields of structs, whatever they are: a field that is added later is not
// forgotten. A path says where: "3.0" is the first field of the fourth field.

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T, std::size_t kSize>
struct IsVector<boost::container::small_vector<T, kSize>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsShared : std::false_type {};
template <class T>
struct IsShared<std::shared_ptr<T>> : std::true_type {};
template <class T>
struct IsArray : std::false_type {};
template <class T, std::size_t kSize>
struct IsArray<std::array<T, kSize>> : std::true_type {};

template <class T>
constexpr bool kHasFields = std::is_aggregate_v<T> && !IsArray<T>::value;

inline std::string below(const std::string& path, std::size_t index) {
  return path + "." + std::to_string(index);
}

/// The paths at which `a` and `b` differ.
template <class T>
void collectDifferences(const T& a, const T& b, const std::string& path,
                        std::vector<std::string>& found) {
  if constexpr (IsVector<T>::value) {
    if (a.size() != b.size()) return found.push_back(path + " size");
    for (std::size_t i = 0; i < a.size(); ++i) {
      collectDifferences(a[i], b[i], below(path, i), found);
    }
  } else if constexpr (IsOptional<T>::value || IsShared<T>::value) {
    if (static_cast<bool>(a) != static_cast<bool>(b)) return found.push_back(path + " presence");
    if (a) collectDifferences(*a, *b, path, found);
  } else if constexpr (std::is_same_v<T, ObjectChange>) {
    collectDifferences(a.kind, b.kind, below(path, 0), found);
    collectDifferences(a.record, b.record, below(path, 1), found);
    collectDifferences(a.basedOn, b.basedOn, below(path, 2), found);
  } else if constexpr (kHasFields<T>) {
    boost::pfr::for_each_field(a, [&](const auto& field, auto index) {
      collectDifferences(field, boost::pfr::get<decltype(index)::value>(b), below(path, index),
                         found);
    });
  } else {
    if (!(a == b)) found.push_back(path);
  }
}

template <class T>
std::vector<std::string> differences(const T& a, const T& b) {
  std::vector<std::string> found;
  collectDifferences(a, b, "", found);
  return found;
}

/// `value` with what is not meant to be sent set too; specialised where there is such a thing.
template <class T>
T withUnsentFields(T value) {
  return value;
}

/// The paths of fields that are as they are in a new T: a test that has some says nothing of them.
/// Of a list, its first item is looked at.
template <class T>
void collectUnset(const T& value, const T& fresh, const std::string& path,
                  std::vector<std::string>& found) {
  if constexpr (IsVector<T>::value) {
    using Item = typename T::value_type;
    if (value.empty()) return found.push_back(path + " empty");
    if constexpr (kHasFields<Item>) collectUnset(value.front(), Item(), below(path, 0), found);
  } else if constexpr (IsOptional<T>::value) {
    using Item = typename T::value_type;
    if (!value) return found.push_back(path + " absent");
    if constexpr (kHasFields<Item>) collectUnset(*value, Item(), path, found);
  } else if constexpr (IsShared<T>::value) {
    using Item = std::remove_const_t<typename T::element_type>;
    if (!value) return found.push_back(path + " absent");
    collectUnset(Item(*value), Item(), path, found);
  } else if constexpr (kHasFields<T>) {
    const T full = withUnsentFields(value);
    boost::pfr::for_each_field(full, [&](const auto& field, auto index) {
      collectUnset(field, boost::pfr::get<decltype(index)::value>(fresh), below(path, index),
                   found);
    });
  } else {
    if (value == fresh) found.push_back(path);
  }
}

template <class T>
std::vector<std::string> unsetFields(const T& value) {
  std::vector<std::string> found;
  collectUnset(value, T(), "", found);
  return found;
}

}  // namespace nephrite::wire
