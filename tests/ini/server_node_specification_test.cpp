#include "ini/server_node_specification.h"

#include <gmock/gmock.h>

#include "tests/ini/ini_folder.h"

namespace nephrite {
namespace {

using testing::HasSubstr;

struct Spelling {
  const char* given;
  const char* read;
};

TEST(ServerNodeSpecification, IsReadInJadesFormWithOrWithoutBlanks) {
  constexpr Spelling kRight[] = {
      {"TcpIP, localhost, 6005", "TcpIP, localhost, 6005"},
      {"TcpIp,LocalHost,6005", "TcpIP, LocalHost, 6005"},
      {"TCPIPANY , db.example.org , 1", "TcpIP, db.example.org, 1"},
      {"tcpipv4,10.0.0.7,65535", "TcpIPv4, 10.0.0.7, 65535"},
      {"TcpIPv6, fe80::1%eth0, 6005", "TcpIPv6, fe80::1%eth0, 6005"},
      {"unix, /run/a b, c.sock", "Unix, /run/a b, c.sock"},
      {"Unix,near.sock", "Unix, /etc/nephrite/near.sock"},
  };
  for (const Spelling& right : kRight) {
    const auto server = parseServerNodeSpecification(right.given, "/etc/nephrite");
    EXPECT_EQ(server.toString(), right.read) << right.given;
    EXPECT_EQ(parseServerNodeSpecification(server.toString(), "/elsewhere"), server);
  }
}

TEST(ServerNodeSpecification, SaysWhatIsWrongAndShowsWhatIsRight) {
  const std::string far = "Unix, /" + std::string(107, 'x');
  const Spelling kWrong[] = {
      {"", "is empty"},
      {" , ", "begins with ''"},
      {"localhost:6005", "begins with 'localhost:6005', which is none of the transports"},
      {"localhost, 6005", "begins with 'localhost'"},
      {"TcpIP", "names no host"},
      {"TcpIP, , 6005", "names no host"},
      {"TcpIP, localhost", "names no port"},
      {"TcpIP, localhost, ", "names no port"},
      {"TcpIP, localhost, 0", "names the port '0'"},
      {"TcpIP, localhost, 65536", "names the port '65536', which is no number from 1 to 65535"},
      {"TcpIP, localhost, jade", "names the port 'jade'"},
      {"TcpIP, localhost, 60 05", "names the port '60 05'"},
      {"TcpIPv6, [::1], 6005", "names the host '[::1]'"},
      {"TcpIP, a, 1, TcpIP, b, 2", "a second server, a local interface and a local port are not"},
      {"JadeLocal, Jade", "names the transport JadeLocal, which is JADE's alone"},
      {"HPSM,Global\\Jade", "on one machine use Unix"},
      {"TcpIP, local\vhost, 6005", "holds a control character"},
      {"Unix", "names no socket"},
      {"Unix, ", "names no socket"},
      {far.c_str(), "longer than the 107 bytes"},
  };
  for (const Spelling& wrong : kWrong) {
    try {
      parseServerNodeSpecification(wrong.given, "");
      ADD_FAILURE() << wrong.given << " was taken";
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), HasSubstr(wrong.read)) << wrong.given;
      EXPECT_THAT(error.what(), HasSubstr("'TcpIP, localhost, 6005'"));
    }
  }
}

class GivenAClientNode : public GivenAFolder {};

TEST_F(GivenAClientNode, WhenItIsToldNothingThenItsServerIsOnThisMachine) {
  const auto& server = resolve("").settings.connection.server;
  EXPECT_EQ(server.toString(), "TcpIP, 127.0.0.1, 6005");
  EXPECT_EQ(server.host, "127.0.0.1");
  EXPECT_EQ(server.port, 6005);
}

TEST_F(GivenAClientNode, WhenItIsToldARelativeSocketThenThatStartsAtTheFolderOfItsFile) {
  const auto read = resolve("[jadeclient]\nserverNodeSpecifications=unix,node.sock\n");
  EXPECT_EQ(problems(read), "");
  EXPECT_EQ(read.settings.connection.server.socket, folder / "node.sock");
}

TEST_F(GivenAClientNode, WhenItsServerIsWrittenWrongThenFileLineAndMendAreNamed) {
  const auto read = resolve("[JadeClient]\n\nServerNodeSpecifications=TcpIP, db\n");
  EXPECT_THAT(problems(read),
              HasSubstr("jade.ini:3: error: [JadeClient] ServerNodeSpecifications=TcpIP, db names "
                        "no port; right is, for example, 'TcpIP, localhost, 6005'"));
  EXPECT_EQ(read.settings.connection.server.host, "127.0.0.1") << "the default stands in";
}

}  // namespace
}  // namespace nephrite
