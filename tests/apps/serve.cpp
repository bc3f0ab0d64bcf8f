#include "apps/serve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <random>
#include <thread>

#include "fusion/model.h"
#include "tests/apps/colour_world.h"
#include "tests/catch.h"
#include "tests/small_house.h"
#include "tests/small_stylizer.h"
#include "tests/temporary.h"
#include "vision/encode.h"
#include "vision/image.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

/// An index behind a server on a port of its own.
struct Served {
  World world;
  std::unique_ptr<Retriever> retriever;
  std::unique_ptr<Server> server;
  std::thread thread;
  int port = 0;

  explicit Served(bool with_index = true) {
    ServeOptions options;
    options.port = 0;
    options.stylizer = (world.folder / "stylizer").string();
    if (with_index) world.index();
    if (with_index)
      retriever = std::make_unique<Retriever>(world.file, [](const std::string&) { return fake_model(); });
    server = std::make_unique<Server>(retriever.get(), options, [](const Image& image) {
      return std::vector<std::pair<std::string, std::string>>{{"en", std::to_string(image.width) + " wide"}};
    });
    port = server->bind();
    thread = std::thread([this] { server->run(); });
  }
  ~Served() {
    server->stop();
    thread.join();
  }

  /// Sends bytes, and gives all that comes back until the connection is closed.
  std::string exchange(const std::string& bytes, long milliseconds = 9000) const {
    const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{milliseconds / 1000, milliseconds % 1000 * 1000};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    std::string answer;
    bool connected = false;
    for (int attempt = 0; attempt < 100 && !connected; ++attempt) {
      connected = connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
      if (!connected) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    REQUIRE(connected);
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t count = send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<std::size_t>(count);
    }
    char part[4096];
    for (ssize_t count; (count = recv(connection, part, sizeof part, 0)) > 0;)
      answer.append(part, static_cast<std::size_t>(count));
    close(connection);
    return answer;
  }

  std::string ask(const std::string& line, const std::string& body = {}, const std::string& headers = {}) const {
    return exchange(line + " HTTP/1.1\r\nHost: localhost:" + std::to_string(port) + "\r\nConnection: close\r\n" +
                    headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
};

int status_of(const std::string& answer) { return answer.size() < 12 ? 0 : std::stoi(answer.substr(9, 3)); }

/// The JSON of an answer's first result line; chunk lengths stand between.
Json first_of(const std::string& answer) {
  const std::size_t begin = answer.find("\n{", answer.find("\r\n\r\n") - 2);
  REQUIRE(begin != std::string::npos);
  return Json::parse(answer.substr(begin + 1, answer.find('\n', begin + 1) - begin - 1), "answer");
}

}  // namespace

TEST_CASE("serve: page, search, more like this, dropped pictures", "[apps][serve]") {
  const Served served;
  CHECK_THAT(served.ask("GET /"), ContainsSubstring("<title>Limn</title>"));
  CHECK(first_of(served.ask("GET /api/info"))["pictures"].integer() == 4);
  const Json red = first_of(served.ask("GET /api/search?q=red&k=2"));
  CHECK_THAT(red["path"].text(), ContainsSubstring("red.png"));
  CHECK(red["rank"].integer() == 1);
  CHECK(red["match"].is_null());
  CHECK_THAT(served.ask("GET /api/search?q=red&rerank=4"), ContainsSubstring("{\"reranked\":true}"));
  const std::string id = std::to_string(red["id"].integer());
  CHECK_THAT(served.ask("GET /api/search?like=" + id), !ContainsSubstring("red.png"));
  CHECK_THAT(served.ask("GET /picture/" + id), ContainsSubstring("Content-Type: image/png"));
  CHECK_THAT(served.ask("GET /thumbnail/" + id), ContainsSubstring("Content-Type: image/jpeg"));
  CHECK_THAT(served.ask("GET /thumbnail/" + id), ContainsSubstring("Content-Type: image/jpeg"));
  const std::string blue = read_file(served.world.photos / "deep/blue.png");
  CHECK_THAT(first_of(served.ask("POST /api/search?k=1", blue))["path"].text(), ContainsSubstring("blue.png"));
  CHECK_THAT(served.ask("POST /api/describe", blue), ContainsSubstring("24 wide"));
  // What curl --data-binary and curl -F send.
  paint(served.world.folder / "large.jpg", 10, 20, 230, 1200);
  const std::string large = read_file(served.world.folder / "large.jpg");
  REQUIRE(large.size() > 9000);
  CHECK_THAT(served.ask("POST /api/describe", large, "Content-Type: application/x-www-form-urlencoded\r\n"),
             ContainsSubstring("1200 wide"));
  CHECK_THAT(served.ask("POST /api/describe",
                        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n" + large +
                            "\r\n--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--b--\r\n",
                        "Content-Type: multipart/form-data; boundary=b\r\n"),
             ContainsSubstring("1200 wide"));
  const Json fit = first_of(served.ask("POST /api/match?text=blue&text=red", blue))["results"];
  CHECK(fit[0]["match"].number() > fit[1]["match"].number());
  CHECK(fit[0]["similarity"].number() > fit[1]["similarity"].number());
}

TEST_CASE("serve: a picture is described as its model captions it, in each language", "[apps][serve]") {
  const TemporaryFolder folder;
  write_small_house(folder / "house");
  const Model model = open_model(folder / "house");
  at::manual_seed(2);
  const Image image{40, 30, at::randint(0, 256, {30, 40, 3}, at::kByte)};
  const auto said = captions_of(*model.captioner, image);
  REQUIRE(said.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CaptionRequest request;
    request.generate = model.captioner->defaults;
    request.language = said[i].first;
    CHECK(said[i].first == std::array{"en", "zh"}[i]);
    const auto captions = (*model.captioner)(model.captioner->preprocess(image).unsqueeze(0), request);
    CHECK(said[i].second == captions[0][0].text);
  }
}

namespace {

using Parts = std::vector<std::pair<std::string, std::string>>;

std::string painted(const Served& served, const Parts& parts) {
  std::string body;
  for (const auto& [name, value] : parts)
    body += "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"x\"\r\n\r\n" + value + "\r\n";
  return served.ask("POST /api/stylize", body + "--b--\r\n", "Content-Type: multipart/form-data; boundary=b\r\n");
}

}  // namespace

TEST_CASE("serve: forms are painted, with an index and without", "[apps][serve][stylize]") {
  const Served served(GENERATE(true, false));
  write_small_stylizer(served.world.folder / "stylizer");
  at::manual_seed(5);
  const auto file = [](std::int64_t h, std::int64_t w) {
    return encode_image(at::randint(0, 256, {h, w, 3}, at::kByte), ".png");
  };
  const std::string a = file(40, 60), b = file(48, 48), s = file(32, 32), t = file(50, 20);
  const std::string answer = painted(served, {{"content", a}, {"style", s}, {"style", t}, {"shares", "3,1"}});
  REQUIRE(status_of(answer) == 200);
  CHECK_THAT(answer, ContainsSubstring("Content-Type: image/png"));
  const std::size_t begin = answer.find("X-Limn: ") + 8;
  const Json about = Json::parse(answer.substr(begin, answer.find("\r\n", begin) - begin), "X-Limn");
  CHECK(about["width"].integer() == 60);
  CHECK(about["shares"][0].number() == Approx(0.75).margin(0.02));
  const std::string png = answer.substr(answer.find("\r\n\r\n") + 4);
  const Image picture = decode({reinterpret_cast<const std::uint8_t*>(png.data()), png.size()}, "answer");
  CHECK(picture.pixels.sizes() == at::IntArrayRef({40, 60, 3}));
  // The styles are known now, and paint the same.
  CHECK(painted(served, {{"content", a}, {"style", s}, {"style", t}, {"shares", "3,1"}}).ends_with(png));
  CHECK_THAT(painted(served, {{"content", a}, {"content", b}, {"style", s}, {"compose", "grid"}, {"size", "32"}}),
             ContainsSubstring("\"compose\":\"grid\"") && ContainsSubstring("\"width\":64"));
  CHECK(status_of(painted(served, {{"content", a}, {"style", s}, {"color", "coral"}, {"strength", "0.5"}})) == 200);

  const auto refused = [&](const Parts& parts, const std::string& why) {
    const std::string said = painted(served, parts);
    CHECK(status_of(said) == 400);
    CHECK_THAT(said, ContainsSubstring(why));
  };
  refused({{"content", a}}, "got 0 styles, expected 1 to 16");
  refused({{"content", "x"}, {"style", s}}, "a content");
  refused({{"content", a}, {"style", s}, {"shares", "1,2"}}, "shares: got 2, expected one for each of 1 styles");
  refused({{"content", a}, {"style", s}, {"shares", "-1"}}, "share: got -1.000000, expected more than 0");
  refused({{"content", a}, {"style", s}, {"shares", "many"}}, "expected a number");
  refused({{"content", a}, {"style", s}, {"strength", "nan"}}, "strength: got nan, expected 0 to 1");
  refused({{"content", a}, {"style", s}, {"size", "100000"}}, "size: got 100000, expected 16 to 2048");
  refused({{"content", a}, {"style", s}, {"color", "blue"}}, "expected style, keep, only, coral or histogram");
  refused({{"content", a}, {"style", s}, {"mask", a}}, "a form's part is named");
  refused({{"content", a}, {"style-text", "fire"}}, "this model knows no styles in words");
  refused(Parts(70, {"style", s}), "the form has more than 64 parts");
  CHECK(status_of(served.ask("POST /api/stylize", a)) == 400);
  if (!served.retriever) {
    CHECK(first_of(served.ask("GET /api/info"))["index"].is_null());
    CHECK(status_of(served.ask("GET /api/search?q=red")) == 404);
    CHECK(status_of(served.ask("POST /api/search", a)) == 404);
    CHECK(status_of(served.ask("GET /picture/0")) == 404);
  }
}

TEST_CASE("serve: a stylizer that is not there is named when it is asked for", "[apps][serve][stylize]") {
  const Served served(false);
  CHECK_THAT(painted(served, {{"content", encode_image(at::zeros({20, 20, 3}, at::kByte), ".png")},
                              {"style", encode_image(at::zeros({20, 20, 3}, at::kByte), ".png")}}),
             ContainsSubstring("stylizer"));
}

TEST_CASE("serve: what it does not answer", "[apps][serve]") {
  const Served served;
  const auto status = [&](const std::string& line, const std::string& body = {}, const std::string& headers = {}) {
    return status_of(served.ask(line, body, headers));
  };
  CHECK(status("GET /api/search") == 400);
  CHECK(status("GET /api/search?q=%20") == 400);
  CHECK(status("GET /api/search?q=red&k=0") == 400);
  CHECK(status("GET /api/search?q=red&k=99999999999999999999") == 400);
  CHECK(status("GET /api/search?q=red&after=May") == 400);
  CHECK(status("GET /api/search?like=9") == 404);
  CHECK(status("GET /api/search?q=" + std::string(3000, 'a')) == 400);
  CHECK(status("GET /picture/4") == 404);
  CHECK(status("GET /picture/999999999999999999") == 404);
  CHECK(status("GET /picture/-1") == 404);
  CHECK(status("GET /picture/../../etc/passwd") == 404);
  CHECK(status("POST /api/search", "no picture") == 400);
  CHECK(status("POST /api/describe") == 400);
  CHECK(status("POST /api/match", "x") == 400);
  CHECK(status("DELETE /") == 404);
  CHECK(status("GET /", {}, "Origin: http://elsewhere.example\r\n") == 403);
  CHECK(status_of(served.exchange("GET / HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n")) == 403);
  fs::remove(served.world.photos / "red.png");
  for (int id = 0; id < 4; ++id) {
    const int code = status("GET /picture/" + std::to_string(id));
    CHECK((code == 200 || code == 404));
  }
  ServeOptions second;
  second.port = served.port;
  Server other(served.retriever.get(), second, nullptr);
  CHECK_THROWS_WITH(other.bind(), ContainsSubstring("cannot listen on 127.0.0.1:" + std::to_string(served.port)));
}

TEST_CASE("serve: a thousand malformed requests", "[apps][serve]") {
  const Served served;
  std::ofstream(served.world.folder / "secret.txt") << "the secret words";
  const std::string secret = (served.world.folder / "secret.txt").string();
  const std::vector<std::string> seeds = {
      "GET " + secret + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /picture/..%2f..%2fsecret.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /picture/0/../../" + secret + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET file://" + secret + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /%2e%2e/%2e%2e" + secret + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /thumbnail/0%00" + secret + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "POST /api/match?text=red HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\nshort",
      "POST /api/search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\nx",
      "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
      std::string("POST /api/describe HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; ") +
          "boundary=\r\nContent-Length: 9\r\n\r\n--\r\n--\r\nx",
      "GET /api/search?q=%ff%fe%80&k=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /api/search?q=red&k=1 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=5-1\r\n\r\n",
      "GET /picture/0 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=99999999999999999999-\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      std::string("\0\0\0\0", 4),
      "GET /" + std::string(20000, 'a') + " HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\n" + std::string(300, 'x') + "\r\n\r\n"};
  std::mt19937 random(1);
  int answered = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string bytes = seeds[static_cast<std::size_t>(i) % seeds.size()];
    for (std::uint32_t n = i < static_cast<int>(seeds.size()) ? 0 : random() % 6; n > 0; --n) {
      const std::size_t at = random() % bytes.size();
      if (random() % 3 == 0)
        bytes.erase(at, 1 + random() % 8);
      else
        bytes[at] = static_cast<char>(random());
      if (bytes.empty()) bytes.assign(1, '\n');
    }
    const std::string answer = served.exchange(bytes, 15);
    REQUIRE(answer.find("the secret words") == std::string::npos);
    answered += !answer.empty();
  }
  CHECK(answered > 100);
  CHECK_THAT(first_of(served.ask("GET /api/search?q=red&k=1"))["path"].text(), ContainsSubstring("red.png"));
}
