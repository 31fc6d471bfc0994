#include "tests/network/sim_network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "node/wire/messages.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

std::span<const std::uint8_t> bytesOf(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Duration SimNetwork::delay() {
  int most = mostDelay;
  if (burstOneIn > 0 && random.oneIn(burstOneIn)) {
    report.count("delay burst");
    most = 1'500;
  }
  return milliseconds(1 + random.below(most));
}

// --- A connection --------------------------------------------------------------------------------

SimLink::SimLink(SimNetwork& network, SimCarrier& carrier, int client)
    : network_(network),
      carrier_(carrier),
      client_(client),
      incarnation_(network.server->incarnation()),
      address_("c" + std::to_string(client)) {}

template <typename Work>
void SimLink::deliver(Direction& direction, int owner, Work work) {
  if (direction.dead) return;
  direction.last = std::max(direction.last, network_.agenda.now() + network_.delay());
  network_.agenda.at(direction.last, owner,
                     [self = shared_from_this(), &direction, work = std::move(work)] {
                       if (!direction.lost) work();
                     });
}

template <typename Work>
void SimLink::deliverBytes(Direction& direction, int owner, std::string bytes, const Work& work) {
  if (network_.random.oneIn(8)) {
    const auto first =
        static_cast<std::size_t>(network_.random.below(static_cast<int>(bytes.size())));
    deliver(direction, owner, [work, piece = bytes.substr(0, first)] { work(piece, false); });
    bytes.erase(0, first);
  }
  deliver(direction, owner, [work, piece = std::move(bytes)] { work(piece, true); });
}

void SimLink::open() {
  deliver(toServer_, kServer, [this] {
    if (network_.server->incarnation() == incarnation_) {
      network_.server->opened(shared_from_this());
    }
  });
  deliver(toClient_, client_, [this] { carrier_.opened(*this); });
}

void SimLink::send(std::string frame) {
  if (!serverOpen_) return;
  const Duration now = network_.agenda.runningTime(kServer);
  if (!saidFirst_) saidFirst_ = now;
  const auto held =
      std::make_shared<const HeardOf>(HeardOf{network_.server->locksOf(client_), now, *saidFirst_});
  if (room_ == SIZE_MAX && unread_.empty()) {
    taken_ += frame.size();
    return give(std::move(frame), true, held);
  }
  queued_ += frame.size();
  unread_.push_back({std::move(frame), held});
  network_.server->leftSome(*this);
}

// What concerns the connection alone, and what was missed on another one, comes all the same.
void SimLink::sendFramed(const wire::FrameHeader& header, std::string_view message) {
  if (header.sequence != 0 && queued_ > network_.mostUnread) {
    network_.report.fail("the server says more to " + address_ + ", which does not read");
  }
  ServerConnection::sendFramed(header, message);
}

void SimLink::flush() {
  while (room_ > 0 && !unread_.empty()) {
    Unread& next = unread_.front();
    const std::size_t size = std::min(room_, next.bytes.size());
    if (room_ != SIZE_MAX) room_ -= size;
    queued_ -= size;
    taken_ += size;
    if (size < next.bytes.size()) {
      give(next.bytes.substr(0, size), false, next.held);
      next.bytes.erase(0, size);
    } else {
      const Unread whole = std::move(next);
      unread_.pop_front();
      give(whole.bytes, true, whole.held);
    }
  }
}

void SimLink::give(std::string bytes, bool isLast, const Held& held) {
  deliverBytes(toClient_, client_, std::move(bytes),
               [this, isLast, held](const std::string& piece, bool last) {
                 if (!clientOpen_) return;
                 carrier_.arrived(*this, piece);
                 if (isLast && last && clientOpen_ && carrier_.received) carrier_.received(*held);
               });
}

void SimLink::readSlowly(Duration time, std::size_t bytes, Duration pause) {
  if (room_ != SIZE_MAX) return;
  network_.report.count("slow reader");
  room_ = bytes;
  readMore(network_.agenda.now() + time, bytes, pause);
}

void SimLink::readMore(Instant end, std::size_t bytes, Duration pause) {
  network_.agenda.in(pause, client_, [self = shared_from_this(), this, end, bytes, pause] {
    const bool isOver = network_.agenda.now() >= end;
    room_ = isOver ? SIZE_MAX : room_ + bytes;
    if (serverOpen_ && !toClient_.dead) {
      network_.agenda.in(network_.delay(), kServer, [self, this] {
        const bool same = network_.server->incarnation() == incarnation_;
        if (serverOpen_ && same) network_.server->tookSome(*this);
      });
    }
    if (!isOver) readMore(end, bytes, pause);
  });
}

void SimLink::close() {
  if (!serverOpen_) return;
  flush();
  if (queued_ > 0) network_.report.count("closed with something unread");
  unread_.clear();
  queued_ = 0;
  serverOpen_ = false;
  deliver(toClient_, client_, [this] { carrier_.lost(*this); });
}

void SimLink::sendToServer(std::string bytes) {
  if (!clientOpen_) return;
  deliverBytes(toServer_, kServer, std::move(bytes), [this](const std::string& piece, bool) {
    const bool same = network_.server->incarnation() == incarnation_;
    if (serverOpen_ && same) network_.server->arrived(*this, piece);
  });
}

void SimLink::hangUp() {
  if (!clientOpen_) return;
  clientOpen_ = false;
  if (silent_) return;
  if (network_.losesEnds && network_.random.oneIn(3)) {
    network_.report.count("half-open");
    return;
  }
  deliver(toServer_, kServer, [this] {
    const bool same = network_.server->incarnation() == incarnation_;
    if (serverOpen_ && same) network_.server->hungUp(*this);
  });
}

void SimLink::cut() {
  network_.report.count("cut");
  const bool takesAll = network_.random.oneIn(2);
  const auto end = [&](Direction& direction, int owner, const Agenda::Work& work) {
    if (!(network_.losesEnds && network_.random.oneIn(2))) {
      network_.agenda.in(network_.delay() * (1 + network_.random.below(10)), owner,
                         [self = shared_from_this(), work] { work(); });
    } else {
      network_.report.count("end not told");
    }
    direction.dead = true;
    direction.lost = direction.lost || takesAll;  // What is lost stays so when it is cut again.
  };
  end(toServer_, kServer, [this] {
    const bool same = network_.server->incarnation() == incarnation_;
    if (serverOpen_ && same) network_.server->hungUp(*this);
  });
  end(toClient_, client_, [this] { carrier_.lost(*this); });
}

void SimLink::deafen(bool towardsServer) {
  network_.report.count(towardsServer ? "deaf server" : "deaf client");
  (towardsServer ? toServer_ : toClient_).dead = true;
}

void SimLink::abandon() {
  network_.report.count("abandoned");
  silent_ = true;
  network_.agenda.in(Duration(0), client_,
                     [self = shared_from_this(), this] { carrier_.lost(*this); });
}

// --- A client's carrier --------------------------------------------------------------------------

template <typename Call>
void SimCarrier::call(Call call) {
  if (listener_ == nullptr) return;
  ++calling_;
  call();
  --calling_;
}

void SimCarrier::connect() {
  const std::uint64_t attempt = ++attempt_;
  open_ = false;
  link_ = nullptr;
  const bool refused = network_.refuseOneIn > 0 && network_.random.oneIn(network_.refuseOneIn);
  if (refused) network_.report.count("connection refused");
  network_.agenda.in(network_.delay(), client_, [this, attempt, refused] {
    if (attempt != attempt_) return;
    if (refused || !network_.server->isListening()) {
      ++attempt_;
      return call([this] { listener_->disconnected("refused"); });
    }
    link_ = std::make_shared<SimLink>(network_, *this, client_);
    link_->open();
  });
}

void SimCarrier::disconnect() {
  ++attempt_;
  open_ = false;
  if (link_) link_->hangUp();
  link_ = nullptr;
}

void SimCarrier::send(std::string frame) {
  if (link_ && open_) link_->sendToServer(std::move(frame));
}

void SimCarrier::opened(SimLink& link) {
  if (link_.get() != &link) return;
  open_ = true;
  network_.report.trace(network_.agenda, link.address(), " is connected");
  call([this] { listener_->connected(); });
}

void SimCarrier::arrived(SimLink& link, const std::string& bytes) {
  if (link_.get() != &link) return;
  const auto kept = link_;
  link.atClient.append(bytesOf(bytes));
  while (link_.get() == &link) {
    const auto frame = link.atClient.next();
    if (!frame) return;
    call([&] { listener_->received(*frame); });
  }
}

void SimCarrier::lost(SimLink& link) {
  if (link_.get() != &link) return;
  disconnect();
  network_.report.trace(network_.agenda, link.address(), " has lost its connection");
  call([this] { listener_->disconnected("closed"); });
}

void SimCarrier::wakeAt(Instant at) {
  if (wake_ && *wake_ <= at) return;
  wake_ = at;
  network_.agenda.at(at, client_, [this, at] {
    if (wake_ != at) return;
    wake_.reset();
    call([this] { listener_->tick(); });
  });
}

bool SimCarrier::pump() {
  network_.pump();
  return true;
}

}  // namespace nephrite
