#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "objects/object_store.h"
#include "runtime/database/local_database.h"

namespace nephrite {

/// The two forms of the Database seam, between which nobody above it can tell.
enum class Form {
  Local,  ///< In this very program.
  Wire,   ///< At the other end of a wire, a loopback: real bytes, no socket.
};

/// A Database in one of its forms, with the LocalDatabase that is it or stands behind it.
///
/// Threads: database() is a Database; of the rest one at a time.
class DatabaseForm {
 public:
  struct Options {
    LocalDatabase::Options local = {};
    bool coherent = true;  ///< The client keeps what it has read.
    bool networkThread =
        true;  ///< Else the wire's work is done by the thread that waits or settles.
  };

  /// `clock` must outlive this and all database()s.
  DatabaseForm(Form form, std::shared_ptr<ObjectStore> store, const Clock& clock,
               const Options& options);
  ~DatabaseForm();

  /// Keeps everything it needs alive.
  std::shared_ptr<Database> database() const { return database_; }
  /// Where the persistent locks and the objects are.
  LocalDatabase& local() const;

  /// What reloading the server's INI file with another ServerTimeout does.
  void setServerTimeout(std::chrono::milliseconds timeout);
  /// The same of all nodes, with another BackgroundProcessServerTimeout too.
  void setTimeouts(std::chrono::milliseconds server, std::chrono::milliseconds background);

  /// Returns when nothing is under way on the wire.
  void settle();
  /// The next moment at which a wait runs out, and ending it with all that follows; false when none
  /// is due at `now`.
  std::optional<Instant> nextDeadline();
  bool expireNext(Instant now);

 private:
  struct Wire;

  std::chrono::milliseconds backgroundTimeout_;
  std::shared_ptr<LocalDatabase> local_;  // Null over the wire.
  std::shared_ptr<Wire> wire_;            // Null without.
  std::shared_ptr<Database> database_;
};

std::string nameOf(Form form);

}  // namespace nephrite

/// Runs the TEST_Ps of a fixture over Form on both: once for each fixture.
#define NEPHRITE_ON_BOTH_FORMS(fixture)                                                  \
  INSTANTIATE_TEST_SUITE_P(, fixture,                                                    \
                           testing::Values(nephrite::Form::Local, nephrite::Form::Wire), \
                           [](const auto& form) { return nephrite::nameOf(form.param); })
