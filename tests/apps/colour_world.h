#pragma once

#include <ATen/ATen.h>

#include <sstream>

#include "apps/index.h"
#include "apps/search.h"
#include "core/json.h"
#include "tests/temporary.h"

// Pictures of plain colours, and a model without weights that knows colours: for tests of retrieval.

namespace limn {

/// A model without weights: a picture is its colours in 8 x 8 fields, words name a colour, and the matching head says
/// how much of it there is.
inline IndexModel fake_model(int* encoded = nullptr, const std::string& identity = "colours") {
  auto model = std::make_shared<Model>();
  model->family = "fake";
  Preprocess preprocess;
  preprocess.size = {.kind = SizeRule::Kind::exact, .height = 8, .width = 8};
  preprocess.mean = {0.5, 0.5, 0.5};
  preprocess.deviation = {0.5, 0.5, 0.5};
  Embedder embedder{preprocess};
  embedder.width = 192;
  embedder.image = [encoded](const Tensor& pixels) {
    if (encoded) *encoded += static_cast<int>(pixels.size(0));
    return pixels.flatten(1);
  };
  const auto channel = [](const std::string& text) {
    return text.find("red") != text.npos ? 0 : text.find("green") != text.npos ? 1 : 2;
  };
  embedder.text = [channel](const std::vector<std::string>& texts) {
    const Tensor all = at::full({static_cast<std::int64_t>(texts.size()), 3, 64}, -1.0);
    for (std::size_t i = 0; i < texts.size(); ++i) all[static_cast<std::int64_t>(i)][channel(texts[i])].fill_(1);
    return all.flatten(1);
  };
  model->embedder = embedder;
  Matcher matcher;
  matcher.preprocess = preprocess;
  matcher.encode = [](const Tensor& pixels) { return pixels.flatten(2); };  // [P 3 64]
  matcher.logits = [channel](const Tensor& tokens, const std::vector<std::string>& texts) {
    std::vector<Tensor> columns;
    for (const std::string& text : texts) {
      const Tensor fits = tokens.select(1, channel(text)).mean(1);  // [P]
      columns.push_back(at::stack({-fits, fits}, 1));
    }
    return at::stack(columns, 1);  // [P T 2]
  };
  model->matcher = matcher;
  return {"fake", identity, model};
}

inline void paint(const std::filesystem::path& file, int red, int green, int blue, int size = 24, int spot = 0) {
  Tensor pixels = at::empty({size, size, 3}, at::kByte);
  pixels.select(2, 0).fill_(red);
  pixels.select(2, 1).fill_(green);
  pixels.select(2, 2).fill_(blue);
  if (spot > 0) pixels.narrow(0, 0, 8).narrow(1, 0, 8).fill_(spot);
  write_image(file, pixels);
}

struct Ran {
  int code = -1;
  std::string out, notes;
  Json last;
};

struct World {
  TemporaryFolder folder;
  std::filesystem::path file = folder / "x.idx", photos = folder / "photos";
  int encoded = 0;
  std::string identity = "colours";

  World() {
    std::filesystem::create_directories(photos / "deep");
    paint(photos / "red.png", 220, 20, 20);
    paint(photos / "green.png", 20, 200, 30);
    paint(photos / "deep/blue.png", 10, 20, 230);
    paint(photos / "deep/grey.png", 120, 120, 120);
  }

  IndexOptions options() const {
    IndexOptions result;
    result.inputs.paths = {photos.string()};
    result.inputs.recursive = true;
    result.out = file;
    result.type = "fp32";
    result.json = true;
    return result;
  }

  Ran index(IndexOptions wanted) {
    encoded = 0;
    Ran ran;
    std::istringstream in;
    std::ostringstream out, notes;
    ran.code = guarded(
        [&] {
          return index_with([this](const std::string&) { return fake_model(&encoded, identity); }, wanted, in, out,
                            notes);
        },
        notes);
    ran.out = out.str();
    ran.notes = notes.str();
    const std::string line = ran.out.substr(0, ran.out.rfind('\n'));
    if (!line.empty()) ran.last = Json::parse(line.substr(line.rfind('\n') + 1), "summary");
    return ran;
  }
  Ran index() { return index(options()); }

  Ran search(SearchCommand wanted) {
    Ran ran;
    std::ostringstream out, notes;
    wanted.file = file;
    ran.code = guarded(
        [&] {
          Retriever retriever(file, [this](const std::string&) { return fake_model(nullptr, identity); });
          return search_with(retriever, wanted, out, notes);
        },
        notes);
    ran.out = out.str();
    ran.notes = notes.str();
    return ran;
  }

  std::vector<std::string> names(SearchCommand wanted) {
    wanted.zero = true;
    std::vector<std::string> all;
    std::istringstream paths(search(wanted).out);
    for (std::string path; std::getline(paths, path, '\0');) all.push_back(std::filesystem::path(path).stem().string());
    return all;
  }
};

}  // namespace limn
