#include "tests/interleavings/explorer.h"

#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

// --- Stacks ----------------------------------------------------------------------------------

// Saves the registers that a call keeps, and the stack, at *from; goes on as what `to` has.
extern "C" void nephriteSwitchStack(void** from, void* to);
asm(R"(
.text
.globl nephriteSwitchStack
.type nephriteSwitchStack, @function
nephriteSwitchStack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size nephriteSwitchStack, .-nephriteSwitchStack
)");

namespace nephrite::explored {
namespace {

constexpr std::size_t kStack = std::size_t{512} << 10;
constexpr std::size_t kMostSteps = 1'000'000;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = (a ^ (b + 0x9E3779B97F4A7C15u + (a << 6) + (a >> 2))) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 29)) * 0x94D049BB133111EBu;
  return z ^ (z >> 32);
}

struct Object {
  std::uint64_t id = 0;
  std::uint64_t written = 0;  ///< What its last writer had seen by then.
  std::uint64_t readers = 0;  ///< What those had seen who have read it since.
  std::vector<int> sleepers;  ///< In the order in which they came.
};

struct Step {
  int thread;
  const char* what;
  std::uint64_t object;
};

struct Thread {
  std::unique_ptr<std::byte[]> stack{new std::byte[kStack]};
  void* at = nullptr;
  std::function<void()> run;
  std::vector<void (*)()> exits;
  bool done = true;

  // The step that it is about to take.
  const char* what = "begin";
  const void* object = nullptr;
  Access access = Access::Read;
  enum class Waits { No, ForObject, ForChange, ForWaker } waits = Waits::No;
  bool (*may)(const void*) = nullptr;

  std::uint64_t seen = 0;     ///< All that it knows: its own steps, and what they depend on.
  std::uint64_t objects = 0;  ///< It met first.
  const void* read = nullptr;
  std::uint64_t readWritten = 0;
  bool woken = false;
};

/// Those that may go on: the one that went last, if it is among them, comes first.
struct Ready {
  static constexpr int kMost = 8;
  std::array<std::uint8_t, kMost> threads{};
  std::uint8_t count = 0;
  void add(int thread) { threads[count++] = static_cast<std::uint8_t>(thread); }
};

/// A choice in the order that is being played.
struct Choice {
  Ready ready;
  std::uint8_t chosen = 0;
};

class Explorer {
 public:
  Explorer(const std::function<Play()>& make, Bounds bounds) : make_(make), bounds_(bounds) {}

  Found explore();

  // For the thread that runs.
  int running() const { return running_; }
  std::uint64_t play() const { return play_; }
  Thread& me() { return *threads_[static_cast<std::size_t>(running_ - 1)]; }
  /// What runs when the calling thread ends; when a play ends, for the one that sets it up.
  std::vector<void (*)()>& exits() { return running_ == 0 ? homeExits_ : me().exits; }
  Object& objectAt(const void* address);
  void forget(const void* address) { objects_.erase(address); }
  /// Another may go on first.
  void makePlace();
  void wake(const void* object, bool all);
  void fail(const std::string& what);
  void runThread();

  std::string steps() const;

 private:
  void playOnce();
  bool mayGoOn(int thread);
  Ready whoMayGoOn();
  int choose();
  void take(int thread);
  bool isKnown(bool lastMayGoOn);
  bool next();

  const std::function<Play()>& make_;
  const Bounds bounds_;
  Found found_;
  std::vector<Choice> choices_;
  boost::unordered_flat_map<std::uint64_t, unsigned> states_;  // And after how few interruptions.

  // Of the order that is being played.
  std::uint64_t play_ = 0;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::size_t count_ = 0;  // Of those, in this play.
  boost::unordered_flat_map<const void*, Object> objects_;
  std::vector<Step> steps_;
  std::vector<void (*)()> homeExits_;
  std::uint64_t firstObjects_ = 0;
  std::size_t depth_ = 0;
  unsigned interruptions_ = 0;
  int last_ = 0;
  bool known_ = false;  // From here on: nothing new.
  int running_ = 0;
  void* home_ = nullptr;
};

Explorer* exploring = nullptr;
std::uint64_t plays = 0;

void threadBegins() {
  exploring->runThread();
  std::abort();  // It never comes back.
}

void Explorer::runThread() {
  Thread& thread = me();
  thread.run();
  thread.run = nullptr;
  for (void (*const exit)() : std::exchange(thread.exits, {})) exit();
  thread.done = true;
  makePlace();
}

Object& Explorer::objectAt(const void* address) {
  const auto [it, isNew] = objects_.try_emplace(address);
  if (isNew) {
    std::uint64_t& number = running_ == 0 ? firstObjects_ : me().objects;
    it->second.id = (std::uint64_t(running_) << 32) | ++number;
  }
  return it->second;
}

void Explorer::makePlace() {
  Thread& thread = me();
  running_ = 0;
  nephriteSwitchStack(&thread.at, home_);
}

void Explorer::wake(const void* address, bool all) {
  Object& object = objectAt(address);
  while (!object.sleepers.empty()) {
    Thread& sleeper = *threads_[static_cast<std::size_t>(object.sleepers.front() - 1)];
    object.sleepers.erase(object.sleepers.begin());
    sleeper.woken = true;
    // It knows from now on what this thread knew.
    sleeper.seen = mix(sleeper.seen, me().seen);
    if (!all) return;
  }
}

void Explorer::fail(const std::string& what) {
  if (found_.failure.empty()) found_.failure = what + "\n" + steps();
}

std::string Explorer::steps() const {
  std::string text;
  int thread = 0;
  for (const Step& step : steps_) {
    if (step.thread != thread) text += "\n  thread " + std::to_string(step.thread) + ":";
    thread = step.thread;
    text += std::string(" ") + step.what;
    if (step.object == 0) continue;
    text += "(" + std::to_string(step.object >> 32) + "." +
            std::to_string(step.object & UINT32_MAX) + ")";
  }
  return text;
}

bool Explorer::mayGoOn(int number) {
  Thread& thread = *threads_[static_cast<std::size_t>(number - 1)];
  if (thread.done) return false;
  switch (thread.waits) {
    case Thread::Waits::No: return true;
    case Thread::Waits::ForObject: return thread.may(thread.object);
    case Thread::Waits::ForChange: return objectAt(thread.read).written != thread.readWritten;
    case Thread::Waits::ForWaker: return thread.woken;
  }
  return true;
}

Ready Explorer::whoMayGoOn() {
  Ready ready;
  if (last_ != 0 && mayGoOn(last_)) ready.add(last_);
  for (int thread = 1; thread <= static_cast<int>(count_); ++thread) {
    if (thread != last_ && mayGoOn(thread)) ready.add(thread);
  }
  return ready;
}

bool Explorer::isKnown(bool lastMayGoOn) {
  const bool isBounded = bounds_.interruptions != UINT32_MAX;
  std::uint64_t state = lastMayGoOn && isBounded ? static_cast<std::uint64_t>(last_) : 0;
  for (std::size_t i = 0; i < count_; ++i) state = mix(state, threads_[i]->seen);
  const auto [it, isNew] = states_.try_emplace(state, interruptions_);
  if (isNew) return false;
  if (it->second <= interruptions_) return true;
  it->second = interruptions_;
  return false;
}

// 0: none may.
int Explorer::choose() {
  Ready ready = whoMayGoOn();
  if (ready.count == 0) return 0;
  const bool interrupts = ready.threads[0] == last_;
  int chosen = ready.threads[0];
  if (depth_ < choices_.size()) {
    const Choice& choice = choices_[depth_++];
    chosen = choice.ready.threads[choice.chosen];
  } else if (!known_) {
    known_ = isKnown(interrupts);
    if (!known_) {
      if (interrupts && interruptions_ >= bounds_.interruptions) ready.count = 1;
      choices_.push_back({ready, 0});
      ++depth_;
    }
  }
  if (interrupts && chosen != last_) ++interruptions_;
  return chosen;
}

void Explorer::take(int number) {
  last_ = running_ = number;
  Thread& thread = me();
  std::uint64_t id = 0;
  if (thread.object != nullptr) {
    Object& object = objectAt(thread.object);
    id = object.id;
    thread.seen = mix(mix(thread.seen, object.id), object.written);
    if (thread.access == Access::Write) {
      thread.seen = mix(thread.seen, object.readers + 1);
      object.written = thread.seen;
      object.readers = 0;
    } else {
      object.readers += thread.seen;
      thread.read = thread.object;
      thread.readWritten = object.written;
    }
  } else {
    thread.seen = mix(thread.seen, 1);
  }
  steps_.push_back({number, thread.what, id});
  thread.waits = Thread::Waits::No;
  nephriteSwitchStack(&home_, thread.at);
}

void Explorer::playOnce() {
  play_ = ++plays;
  objects_.clear();
  steps_.clear();
  firstObjects_ = 0;
  depth_ = 0;
  interruptions_ = 0;
  last_ = 0;
  known_ = false;

  Play play = make_();
  count_ = play.threads.size();
  if (count_ > Ready::kMost) std::abort();
  while (threads_.size() < count_) threads_.push_back(std::make_unique<Thread>());
  for (std::size_t i = 0; i < count_; ++i) {
    auto stack = std::move(threads_[i]->stack);
    *threads_[i] = Thread{.stack = std::move(stack)};
    Thread& thread = *threads_[i];
    thread.run = std::move(play.threads[i]);
    thread.done = false;
    thread.seen = i + 1;
    // As if it had been switched away from: six registers, and where to go on.
    auto top = reinterpret_cast<std::uintptr_t>(thread.stack.get() + kStack) & ~std::uintptr_t{15};
    auto** const words = reinterpret_cast<void**>(top) - 8;
    std::fill(words, words + 8, nullptr);
    words[6] = reinterpret_cast<void*>(&threadBegins);
    thread.at = words;
  }
  for (;;) {
    const int thread = choose();
    if (thread == 0) break;
    take(thread);
    if (steps_.size() > kMostSteps) return fail("it does not end");
  }
  ++found_.orders;
  const bool ended = std::all_of(threads_.begin(), threads_.begin() + std::ptrdiff_t(count_),
                                 [](const auto& thread) { return thread->done; });
  if (!ended) return fail("some threads wait for ever");
  if (found_.failure.empty()) play.end();
}

// The order that differs from this one in its last choice that has another way out.
bool Explorer::next() {
  while (!choices_.empty()) {
    Choice& last = choices_.back();
    if (++last.chosen < last.ready.count) return true;
    choices_.pop_back();
  }
  return false;
}

void showSteps(int) {
  if (exploring != nullptr) std::fprintf(stderr, "%s\n", exploring->steps().c_str());
}

Found Explorer::explore() {
  exploring = this;
  auto* const before = std::signal(SIGABRT, showSteps);  // A check of ours failed.
  do {
    playOnce();
    for (auto* const exit : std::exchange(homeExits_, {})) exit();
  } while (found_.failure.empty() && next());
  found_.states = states_.size();
  if (std::getenv("NEPHRITE_COVERAGE") != nullptr) {
    std::printf("%llu orders, %llu states\n", static_cast<unsigned long long>(found_.orders),
                static_cast<unsigned long long>(found_.states));
  }
  std::signal(SIGABRT, before);
  exploring = nullptr;
  return found_;
}

bool isWithin() { return exploring != nullptr && exploring->running() != 0; }

}  // namespace

Found explore(const std::function<Play()>& make, Bounds bounds) {
  const char* const more = std::getenv("NEPHRITE_MORE_INTERRUPTIONS");
  if (more != nullptr && bounds.interruptions != UINT32_MAX) {
    bounds.interruptions += static_cast<unsigned>(std::strtoul(more, nullptr, 10));
  }
  return Explorer(make, bounds).explore();
}

void require(bool is, const std::string& what) {
  if (!is && exploring != nullptr) exploring->fail(what);
}

// --- What explored_threads.h calls -----------------------------------------------------------

void reach(const void* object, Access access, const char* what) {
  if (!isWithin()) return;
  Thread& me = exploring->me();
  me.what = what;
  me.object = object;
  me.access = access;
  exploring->makePlace();
}

void reachWhen(const void* object, bool (*may)(const void*), const char* what) {
  if (!isWithin()) return;
  Thread& me = exploring->me();
  me.waits = Thread::Waits::ForObject;
  me.may = may;
  reach(object, Access::Write, what);
}

void waitForChange() {
  if (!isWithin()) return;
  Thread& me = exploring->me();
  me.waits = Thread::Waits::ForChange;
  reach(nullptr, Access::Read, "pause");
}

void lieDownAt(const void* object) {
  if (!isWithin()) std::abort();  // Nobody else could wake it.
  exploring->me().woken = false;
  exploring->objectAt(object).sleepers.push_back(exploring->running());
}

void sleep() {
  Thread& me = exploring->me();
  me.waits = Thread::Waits::ForWaker;
  reach(nullptr, Access::Read, "sleep");
}

void wakeAt(const void* object, bool all) {
  if (!isWithin()) return;
  reach(object, Access::Write, all ? "notify all" : "notify one");
  exploring->wake(object, all);
}

void born(const void* object) {
  if (exploring != nullptr) exploring->forget(object);
}

int threadNumber() { return exploring == nullptr ? 0 : exploring->running(); }

std::uint64_t playNumber() { return plays; }

void atThreadExit(void (*run)()) {
  if (exploring != nullptr) exploring->exits().push_back(run);
}

}  // namespace nephrite::explored
