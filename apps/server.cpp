#include "apps/server.h"

#include <httplib.h>

#include <list>
#include <mutex>

#include "apps/serve_page.h"
#include "apps/serve_request.h"
#include "apps/serve_stylize.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/stores.h"
#include "vision/drawing.h"
#include "vision/encode.h"
#include "vision/image.h"

namespace limn {

namespace {

using httplib::Request;
using httplib::Response;

constexpr std::int64_t kMost = 1000;           // pictures of an answer
constexpr std::size_t kThumbnails = 64 << 20;  // bytes of thumbnails that are kept
constexpr const char* kLines = "application/x-ndjson";

/// What browsers show as it is.
const char* type_of(std::string_view file) {
  if (file.starts_with("\xFF\xD8\xFF")) return "image/jpeg";
  if (file.starts_with("\x89PNG\r\n")) return "image/png";
  if (file.starts_with("GIF8")) return "image/gif";
  if (file.starts_with("RIFF") && file.substr(8, 4) == "WEBP") return "image/webp";
  return nullptr;
}

/// The last thumbnails that were asked for.
class Thumbnails {
 public:
  std::string get(std::int64_t key, const std::function<std::string()>& make) {
    {
      const std::lock_guard lock(mutex_);
      for (auto at = kept_.begin(); at != kept_.end(); ++at)
        if (at->first == key) {
          kept_.splice(kept_.begin(), kept_, at);
          return kept_.front().second;
        }
    }
    std::string made = make();
    const std::lock_guard lock(mutex_);
    bytes_ += made.size();
    kept_.emplace_front(key, made);
    for (; bytes_ > kThumbnails; kept_.pop_back()) bytes_ -= kept_.back().second.size();
    return made;
  }

 private:
  std::mutex mutex_;
  std::list<std::pair<std::int64_t, std::string>> kept_;
  std::size_t bytes_ = 0;
};

Json json_of(const Retrieved& found, std::size_t rank) {
  Json line = Json::object({{"rank", static_cast<std::int64_t>(rank)},
                            {"id", found.picture},
                            {"path", found.path},
                            {"similarity", static_cast<double>(found.similarity)},
                            {"score", found.score},
                            {"match", found.match ? Json(*found.match) : Json()}});
  if (!found.caption.empty()) line.set("caption", found.caption);
  return line;
}

}  // namespace

struct Server::State {
  Retriever* indexed;
  ServeOptions options;
  Describe describe;
  httplib::Server server;
  std::mutex model;  ///< one request computes at a time
  Thumbnails thumbnails;
  FormStylizer paint;
  int port = 0;

  State(Retriever* given, const ServeOptions& wishes, Describe describes)
      : indexed(given), options(wishes), describe(std::move(describes)), paint(stylizer_options(wishes)) {
    server.set_payload_max_length(kUpload);
    server.set_read_timeout(10);
    server.set_write_timeout(30);
    server.set_keep_alive_timeout(5);
    server.set_tcp_nodelay(true);
    server.set_socket_options([](auto listener) {  // the library's own would let two servers share a port
      const int yes = 1;
      setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    server.set_default_headers({{"X-Content-Type-Options", "nosniff"},
                                {"Content-Security-Policy",
                                 "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                                 "img-src 'self' blob:; frame-ancestors 'none'"}});
    server.set_pre_routing_handler([this](const Request& request, Response& response) {
      if (is_ours(request, options.host)) return httplib::Server::HandlerResponse::Unhandled;
      answer_error(response, 403, "requests of other sites' pages are not answered");
      return httplib::Server::HandlerResponse::Handled;
    });
    server.set_exception_handler(
        [](const Request&, Response& response, const std::exception_ptr& error) { answer_error(response, error); });
    server.set_error_handler([](const Request&, Response& response) {
      if (response.body.empty())
        answer_error(response, response.status,
                     response.status == 404 ? "there is no such page" : "the request cannot be answered");
    });
    add_pages();
  }

  static CommonOptions stylizer_options(const ServeOptions& options) {
    CommonOptions common = options.common;
    common.model = options.stylizer;
    return common;
  }

  Retriever& retriever() const {
    if (!indexed) throw NotFound("there is no index here; limn serve FILE serves one");
    return *indexed;
  }

  void add_pages() {
    server.Get(
        "/", [](const Request&, Response& response) { response.set_content(kServePage, "text/html; charset=utf-8"); });
    server.Get("/favicon.ico", [](const Request&, Response& response) { response.status = 204; });
    server.Get("/api/info", [this](const Request&, Response& response) { info(response); });
    server.Get("/api/search", [this](const Request& request, Response& response) { search(request, response, {}); });
    const auto post = [this](const char* path, void (State::*answer)(const Request&, Response&, const Image&)) {
      server.Post(path, [=, this](const Request& request, Response& response, const httplib::ContentReader& read) {
        (this->*answer)(request, response, picture_of(request, read));
      });
    };
    post("/api/search", &State::search_like);
    post("/api/describe", &State::captions);
    post("/api/match", &State::match);
    server.Post("/api/stylize", [this](const Request& request, Response& response, const httplib::ContentReader& read) {
      stylize(request, response, read);
    });
    server.Get(R"(/picture/(\d{1,18}))",
               [this](const Request& request, Response& response) { picture(request, response); });
    server.Get(R"(/thumbnail/(\d{1,18}))",
               [this](const Request& request, Response& response) { thumbnail(request, response); });
  }

  IndexEntry entry_of(std::int64_t number) const {
    const auto entries = retriever().index().entries(std::span(&number, 1));
    if (entries.empty()) throw NotFound("the index has no such picture");
    return entries.begin()->second;
  }

  void info(Response& response) {
    const std::lock_guard lock(model);
    if (!indexed) return response.set_content(Json::object({{"index", Json()}}).dump() + "\n", "application/json");
    const IndexModel& opened = retriever().model();
    response.set_content(Json::object({{"index", place_name(retriever().file())},
                                       {"pictures", retriever().index().live()},
                                       {"model", opened.name},
                                       {"captions", retriever().index().has_captions()},
                                       {"match", opened.model->matcher.has_value() || !options.rerank_model.empty()},
                                       {"describe", describe != nullptr}})
                                 .dump() +
                             "\n",
                         "application/json");
  }

  void search_like(const Request& request, Response& response, const Image& dropped) {
    search(request, response, dropped);
  }

  void search(const Request& request, Response& response, const std::optional<Image>& dropped) {
    RetrieveQuery query{values_of(request, "q"), {}, values_of(request, "not")};
    RetrieveFilter filter{values_of(request, "path"), request.get_param_value("after"),
                          request.get_param_value("before")};
    RetrieveLimits limits;
    if (request.has_param("k")) limits.count = whole_number(request.get_param_value("k"), "k", 1, kMost);
    if (request.has_param("rerank"))
      limits.rerank = whole_number(request.get_param_value("rerank"), "rerank", 0, kMost);
    std::vector<std::int64_t> like;
    for (const std::string& id : values_of(request, "like")) like.push_back(whole_number(id, "like", 0, INT64_MAX));
    for (const std::int64_t id : like) entry_of(id);

    auto found = std::make_shared<std::vector<Retrieved>>();
    std::vector<std::string> notes;
    {
      const std::lock_guard lock(model);
      std::vector<QueryTerm> terms;
      if (!query.words.empty() || (like.empty() && !dropped))
        terms = retriever().terms(query, notes);
      else if (!query.without.empty())
        throw BadRequest("not: needs words, too");
      for (const std::int64_t id : like) terms.push_back({retriever().index().embedding(id)});
      if (dropped) {
        const Embedder& embedder = *retriever().model().model->embedder;
        terms.push_back({embedder.pictures(embedder.preprocess(*dropped).unsqueeze(0))[0]});
      }
      std::optional<std::int64_t> except;
      if (like.size() == 1) except = like[0];
      *found = retriever().find(terms, filter, limits, except);
      if (limits.rerank > 0 && !query.words.empty()) retriever().matcher();
    }
    stream(response, found, query, limits, notes);
  }

  /// The pictures at once; then, where they are read anew together with the words, what comes of that.
  void stream(Response& response, const std::shared_ptr<std::vector<Retrieved>>& found, const RetrieveQuery& query,
              const RetrieveLimits& limits, const std::vector<std::string>& notes) {
    response.set_chunked_content_provider(
        kLines, [this, found, query, limits, notes](std::size_t, httplib::DataSink& sink) {
          const auto put = [&sink](const std::string& lines) { return sink.write(lines.data(), lines.size()); };
          std::string lines;
          for (const std::string& note : notes) lines += Json::object({{"note", note}}).dump() + "\n";
          const auto count = std::min(found->size(), static_cast<std::size_t>(limits.count));
          for (std::size_t i = 0; i < count; ++i) lines += json_of((*found)[i], i + 1).dump() + "\n";
          bool connected = put(lines);
          if (connected && limits.rerank > 0 && !query.words.empty() && !found->empty()) try {
              const std::lock_guard lock(model);
              retriever().rerank(*found, query.words, limits, options.common, [](std::int64_t) {});
              lines = Json::object({{"reranked", true}}).dump() + "\n";
              for (std::size_t i = 0; i < count; ++i) lines += json_of((*found)[i], i + 1).dump() + "\n";
              connected = put(lines);
            } catch (const Error& error) {
              connected = put(Json::object({{"error", error.what()}}).dump() + "\n");
            }
          sink.done();
          return connected;
        });
  }

  void captions(const Request&, Response& response, const Image& image) {
    if (!describe) throw BadRequest("no model here describes pictures");
    Json list = Json::array();
    const std::lock_guard lock(model);
    for (const auto& [language, caption] : describe(image))
      list.push(Json::object({{"language", language}, {"caption", caption}}));
    response.set_content(Json::object({{"captions", list}}).dump() + "\n", "application/json");
  }

  void match(const Request& request, Response& response, const Image& image) {
    const std::vector<std::string> texts = values_of(request, "text");
    if (texts.empty() || texts.size() > 100) throw BadRequest("text: expected 1 to 100 texts");
    const std::lock_guard lock(model);
    const Embedder& embedder = *retriever().model().model->embedder;
    if (!embedder.text) throw BadRequest("the model " + retriever().model().name + " reads no texts");
    const Tensor picture = embedder.pictures(embedder.preprocess(image).unsqueeze(0));  // [1 E]
    const Tensor similarity = at::matmul(embedder.texts(texts), picture[0]);            // [T]
    Tensor fits;
    if (retriever().model().model->matcher || !options.rerank_model.empty()) {
      const Matcher& matcher = retriever().matcher();
      fits = matcher(matcher.tokens(matcher.preprocess(image).unsqueeze(0)), texts)[0];  // [T]
    }
    Json list = Json::array();
    for (std::int64_t t = 0; t < similarity.size(0); ++t)
      list.push(Json::object({{"text", texts[static_cast<std::size_t>(t)]},
                              {"match", fits.defined() ? Json(fits[t].item<double>()) : Json()},
                              {"similarity", similarity[t].item<double>()}}));
    response.set_content(Json::object({{"results", list}}).dump() + "\n", "application/json");
  }

  void stylize(const Request& request, Response& response, const httplib::ContentReader& read) {
    const StylizeForm form = form_of(request, read);
    const std::lock_guard lock(model);
    const StylizeAnswer made = paint(form);
    response.set_header("X-Limn", made.about);
    response.set_content(made.picture, "image/png");
  }

  void picture(const Request& request, Response& response) {
    const IndexEntry entry = entry_of(std::stoll(request.matches[1].str()));
    std::string bytes;
    try {
      bytes = read_file(entry.path);
    } catch (const InputError&) {
      throw NotFound("the picture's file is gone");
    }
    if (const char* type = type_of(bytes)) return response.set_content(bytes, type);
    const Image image = decode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, "the picture");
    response.set_content(encode_image(image.pixels, ".jpg", 90), "image/jpeg");
  }

  void thumbnail(const Request& request, Response& response) {
    const std::int64_t number = std::stoll(request.matches[1].str());
    const IndexEntry entry = entry_of(number);
    try {
      const std::string bytes =
          thumbnails.get(number, [&] { return encode_image(fitted(read_image(entry.path), 320), ".jpg", 85); });
      response.set_header("Cache-Control", "max-age=600");
      response.set_content(bytes, "image/jpeg");
    } catch (const InputError&) {
      throw NotFound("the picture cannot be read");
    }
  }
};

Server::Server(Retriever* retriever, const ServeOptions& options, Describe describe)
    : state_(std::make_unique<State>(retriever, options, std::move(describe))) {}
Server::~Server() = default;

int Server::bind() {
  const ServeOptions& options = state_->options;
  const bool taken = options.port == 0 ? (state_->port = state_->server.bind_to_any_port(options.host)) > 0
                                       : state_->server.bind_to_port(options.host, state_->port = options.port);
  if (!taken)
    throw InputError("cannot listen on " + options.host + ":" + std::to_string(options.port) +
                     ": the address is in use, not this machine's, or not permitted; --port names another");
  return state_->port;
}

void Server::run() {
  if (!state_->server.listen_after_bind()) throw InputError("the server stopped: it cannot take connections");
}

void Server::stop() { state_->server.stop(); }

}  // namespace limn
