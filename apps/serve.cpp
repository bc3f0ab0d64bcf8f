#include "apps/serve.h"

#include <atomic>
#include <chrono>
#include <ostream>
#include <thread>

#include "apps/pictures.h"
#include "apps/search.h"
#include "fusion/model.h"

namespace limn {

std::vector<std::pair<std::string, std::string>> captions_of(const Captioner& captioner, const Image& image) {
  const Tensor pixels = captioner.preprocess(image).unsqueeze(0);
  std::vector<std::pair<std::string, std::string>> all;
  for (const std::string& language : captioner.languages.empty() ? std::vector<std::string>{""} : captioner.languages) {
    CaptionRequest request;
    request.language = language;
    request.generate = captioner.defaults;
    const auto pictures = captioner(pixels, request);
    for (const Caption& caption : pictures[0]) all.emplace_back(language.empty() ? "en" : language, caption.text);
  }
  return all;
}

namespace {

Server::Describe describer(const ServeOptions& options, const IndexModel& model) {
  std::shared_ptr<const Model> opened = model.model;
  CommonOptions other = options.common;
  other.model = options.caption_model;
  if (!options.caption_model.empty() || !opened->captioner) try {
      opened = open_chosen_model(other);
    } catch (const Error&) {
      if (!options.caption_model.empty()) throw;
      return nullptr;
    }
  if (!opened->captioner) return nullptr;
  return [opened](const Image& image) { return captions_of(*opened->captioner, image); };
}

}  // namespace

int serve_index(const ServeOptions& options, std::ostream& out, std::ostream& notes) {
  std::optional<Retriever> retriever;
  Server::Describe describe;
  if (!options.file.empty()) {
    retriever.emplace(open_retriever(options.file, options.common, options.rerank_model));
    describe = describer(options, retriever->model());
  }
  Server server(retriever ? &*retriever : nullptr, options, describe);
  const int port = server.bind();
  if (options.host != "127.0.0.1" && options.host != "localhost" && !options.common.quiet)
    notes << "limn: anyone who reaches " << options.host << " can use this page"
          << (retriever ? ", search the index and see its pictures\n" : "\n");
  out << "http://" << options.host << ":" << port << "/\n";
  flush_results(out);
  std::atomic<bool> ended = false;
  std::thread watch([&] {
    while (!interrupted() && !ended) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    server.stop();
  });
  try {
    server.run();
  } catch (...) {
    ended = true;
    watch.join();
    throw;
  }
  ended = true;
  watch.join();
  return exit_done;
}

}  // namespace limn
