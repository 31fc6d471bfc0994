// Nodes, processes and failures as bytes, and back.

#include <utility>

#include "node/wire/reader.h"
#include "node/wire/writer.h"

namespace nephrite::wire {

At<fb::Process> pack(Writer& w, const ProcessInfo& process) {
  const auto name = packText(w, process.name);
  const auto user = packText(w, process.user);
  const auto node = packText(w, process.node);
  const auto address = packText(w, process.address);
  const auto faceOwner = packText(w, process.faceOwner);
  return fb::CreateProcess(w.builder, process.locker.value, process.oid.bits(), name, user, node,
                           address, process.background, microsecondsOf(process.signedOn),
                           process.parent.value, as<fb::Face>(process.face), faceOwner);
}

At<fb::Node> pack(Writer& w, const NodeInfo& node) {
  const auto name = packText(w, node.name);
  const auto address = packText(w, node.origin.address);
  const auto host = packText(w, node.origin.host);
  const auto program = packText(w, node.origin.program);
  const auto origin = fb::CreateOrigin(w.builder, address, host, program, node.origin.pid);
  return fb::CreateNode(w.builder, node.oid.bits(), name, node.processes.bits(), node.locker.value,
                        origin, millisecondsOf(node.backgroundTimeout),
                        microsecondsOf(node.signedOn));
}

At<fb::Failure> pack(Writer& w, const RequestFailure& failure) {
  const auto what = packText(w, failure.what);
  return fb::CreateFailure(w.builder, nephrite::numberOf(failure.code), what,
                           failure.object.bits());
}

ProcessInfo unpack(Reader& in, const fb::Process& process) {
  ProcessInfo info;
  info.locker = {process.locker()};
  info.oid = Oid::fromBits(process.oid());
  info.name = in.text(process.name(), "the name of a process");
  info.user = in.text(process.user(), "the name of a user");
  info.node = in.text(process.node(), "the name of a node");
  info.address = in.prose(process.address());
  info.background = process.background();
  info.signedOn = wallTimeOf(process.signed_on());
  info.parent = {process.parent()};
  info.face = inRange<Face>(process.face(), "face");
  info.faceOwner = in.prose(process.face_owner());
  return info;
}

NodeInfo unpack(Reader& in, const fb::Node& node) {
  const fb::Origin& origin = need(node.origin(), "origin of a node");
  NodeInfo info;
  info.oid = Oid::fromBits(node.oid());
  info.name = in.text(node.name(), "the name of a node");
  info.processes = Oid::fromBits(node.processes());
  info.locker = {node.locker()};
  info.origin = {in.prose(origin.address()), in.prose(origin.host()), in.prose(origin.program()),
                 origin.pid()};
  info.backgroundTimeout = optionalWaitOf(node.background_timeout(), "a background timeout");
  info.signedOn = wallTimeOf(node.signed_on());
  return info;
}

RequestFailure failureFrom(std::int32_t code, std::string what, Oid object) {
  const auto known = static_cast<ErrorCode>(code);
  if (nameOf(known) != nameOf(ErrorCode{})) return {known, std::move(what), object};
  return {ErrorCode::ServerRefused,
          "error " + std::to_string(code) + ", which this program does not know: " + what, object};
}

RequestFailure unpack(Reader& in, const fb::Failure& failure) {
  return failureFrom(failure.code(), in.prose(failure.what()), Oid::fromBits(failure.object()));
}

}  // namespace nephrite::wire
