#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/retriever.h"

namespace limn {

struct ServeOptions {
  CommonOptions common;
  std::filesystem::path file;  ///< the index; empty: none, only painting
  std::string host = "127.0.0.1";
  int port = 8765;  ///< 0: any that is free
  std::string rerank_model;
  std::string caption_model;  ///< describes pictures that are dropped; "": the index's where it can, else the default
  std::string stylizer;       ///< paints; "": the bundled one
};

/// A local page for an index and for painting, and the same as JSON (docs/index.md). Only the page itself and pictures
/// of the index are served, by number; requests of other sites' pages are refused.
class Server {
 public:
  /// @param retriever  not owned; null: no index
  /// @param describe   captions of a picture by language; null: no captions
  using Describe = std::function<std::vector<std::pair<std::string, std::string>>(const Image& image)>;
  Server(Retriever* retriever, const ServeOptions& options, Describe describe);
  ~Server();

  /// Takes the address. @return the port @throws InputError where it is not to be had
  int bind();
  /// Answers until stop(). @throws InputError
  void run();
  void stop();  ///< callable from any thread

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace limn
