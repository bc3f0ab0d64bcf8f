#include "apps/train/data.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "apps/inputs.h"
#include "core/json.h"
#include "core/tar_archive.h"
#include "core/utf8.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

// Gathers complaints, so that one run shows more than the first.
class Faults {
 public:
  explicit Faults(std::string where) : where_(std::move(where)) {}

  void check(const std::function<void()>& step) {
    try {
      step();
    } catch (const InputError& error) {
      ++count_;
      if (count_ <= kShown) text_ += std::string("\n  ") + error.what();
    }
  }

  void finish() const {
    if (count_ == 0) return;
    if (count_ == 1) throw InputError(text_.substr(3));
    const std::string rest = count_ > kShown ? "\n  and " + std::to_string(count_ - kShown) + " more" : "";
    throw InputError(where_ + ": " + std::to_string(count_) + " faults:" + text_ + rest);
  }

 private:
  static constexpr std::size_t kShown = 20;
  std::string where_, text_;
  std::size_t count_ = 0;
};

// Records in the order of their first mention, found again by id.
class Records {
 public:
  CaptionRecord& at(const std::string& id) {
    const auto [found, fresh] = index_.try_emplace(id, records_.size());
    if (fresh) records_.emplace_back().id = id;
    return records_[found->second];
  }

  std::vector<CaptionRecord> take(const std::string& where) {
    std::erase_if(records_, [](const CaptionRecord& record) { return record.captions.empty(); });
    if (records_.empty()) throw InputError(where + ": holds no captions");
    return std::move(records_);
  }

 private:
  std::vector<CaptionRecord> records_;
  std::unordered_map<std::string, std::size_t> index_;
};

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

std::vector<std::string> caption_list(const Json& json) {
  std::vector<std::string> captions;
  if (json.is_text()) {
    captions.push_back(json.text());
  } else {
    captions = json.texts();
  }
  for (std::size_t i = 0; i < captions.size(); ++i) {
    if (blank(captions[i])) (json.is_text() ? json : json[i]).fail("is an empty caption");
  }
  return captions;
}

void append(std::vector<std::string>& all, std::vector<std::string> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// The first of several spellings of a key; the first spelling where none is there.
Json either(const Json& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (json.has(key)) return json[key];
  }
  return json.at(*keys.begin());
}

void read_spoken(const Json& json, const std::string& language,
                 std::map<std::string, std::vector<std::string>>& captions) {
  const Json given = either(json, {"captions", "caption"});
  if (given.is_object()) {
    for (const auto& [key, list] : given.members()) append(captions[key], caption_list(list));
  } else {
    append(captions[language], caption_list(given));
  }
}

void read_line(const Json& json, const fs::path& images, const std::string& language, Records& records) {
  if (!json.is_object()) json.fail("got something else, expected an object such as {\"image\": …, \"captions\": …}");
  const Json image = either(json, {"image", "path", "file_name"});
  const std::string name = image.text();
  if (blank(name)) image.fail("is empty, expected a picture's name");
  std::map<std::string, std::vector<std::string>> captions;
  read_spoken(json, language, captions);
  CaptionRecord& record = records.at(name);
  record.image = images / name;
  for (auto& [key, list] : captions) {
    if (!list.empty()) append(record.captions[key], std::move(list));
  }
}

std::vector<CaptionRecord> read_lines(const fs::path& file, const fs::path& images, const std::string& language) {
  Records records;
  Faults faults(file.string());
  each_line(read_file(file), [&](std::string_view line, std::size_t number) {
    faults.check(
        [&] { read_line(Json::parse(line, file.string() + ":" + std::to_string(number)), images, language, records); });
  });
  faults.finish();
  return records.take(file.string());
}

// COCO's ids are integers, other people's are strings.
std::string id_text(const Json& json) { return json.is_text() ? json.text() : std::to_string(json.integer()); }

std::vector<CaptionRecord> read_coco(const fs::path& file, const fs::path& images, const std::string& language) {
  const Json root = Json::read(file);
  const Json annotations = root.is_array() ? root : root.at("annotations");
  const Json pictures = root["images"];
  Records records;
  Faults faults(file.string());
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    faults.check([&] {
      const std::string id = id_text(pictures[i].at("id"));
      CaptionRecord& record = records.at(id);
      if (!record.image.empty()) pictures[i]["id"].fail("got " + id + ", which an earlier picture has already");
      record.image = images / pictures[i].at("file_name").text();
    });
  }
  for (const Json& annotation : annotations.items()) {
    faults.check([&] {
      const Json image_id = annotation.at("image_id");
      const std::string id = id_text(image_id);
      std::vector<std::string> captions = caption_list(annotation.at("caption"));
      CaptionRecord& record = records.at(id);
      if (record.image.empty() && !pictures.is_null()) image_id.fail("got " + id + ", which \"images\" does not list");
      if (record.image.empty()) record.image = images / id;
      append(record.captions[language], std::move(captions));
    });
  }
  faults.finish();
  return records.take(file.string());
}

std::string lower_ascii(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::vector<std::string> read_sidecar(const fs::path& file) {
  const std::string text = read_file(file);
  std::vector<std::string> captions;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);  // byte order mark
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (find_invalid_utf8(line) != std::string_view::npos) {
      throw InputError(file.string() + ":" + std::to_string(number) + ": is not valid UTF-8");
    }
    if (!blank(line)) captions.emplace_back(line);
  }
  return captions;
}

// A folder's pictures, and the names of the files that may belong to them, by folder.
struct Samples {
  std::vector<fs::path> pictures;
  std::map<fs::path, std::vector<std::string>> texts;

  void offer(const fs::path& file, const char* also = ".txt") {
    if (has_picture_extension(file)) pictures.push_back(file);
    if (file.extension() == ".txt" || file.extension() == also)
      texts[file.parent_path()].push_back(file.filename().string());
  }

  // WebDataset: 0001.jpg with 0001.txt or 0001.json.
  void offer_archive(const fs::path& file) {
    const std::shared_ptr<const Archive> archive = open_archive(file);
    if (!archive->fault().empty()) throw InputError(file.string() + ": " + archive->fault());
    for (const ArchiveFile& inside : archive->files()) offer(file / inside.name, ".json");
  }
};

// photo.txt is in `language`, photo.zh.txt in "zh"; the language's name has no dot and lies between stem and ".txt".
// Without one of them, what photo.json says.
void read_sidecars(const fs::path& picture, const std::vector<std::string>& texts, const std::string& language,
                   CaptionRecord& record) {
  const std::string stem = picture.stem().string() + ".";
  const auto begin = std::lower_bound(texts.begin(), texts.end(), stem);
  bool described = false;
  for (auto text = begin; text != texts.end() && text->starts_with(stem); ++text) {
    if (!text->ends_with(".txt")) {
      described = described || *text == stem + "json";
      continue;
    }
    const std::string between = text->substr(stem.size(), text->size() - stem.size() - 3);  // "" or "zh."
    if (std::count(between.begin(), between.end(), '.') > 1) continue;
    std::vector<std::string> captions = read_sidecar(picture.parent_path() / *text);
    const std::string spoken = between.empty() ? language : between.substr(0, between.size() - 1);
    if (!captions.empty()) append(record.captions[spoken], std::move(captions));
  }
  if (!described || !record.captions.empty()) return;
  const fs::path file = picture.parent_path() / (stem + "json");
  const std::string text = read_file(file);
  const Json json = Json::parse(text, file.string());
  if (json.has("captions") || json.has("caption")) read_spoken(json, language, record.captions);
}

std::vector<CaptionRecord> read_samples(const fs::path& source, const std::string& language) {
  Samples samples;
  if (!fs::is_directory(source)) {
    samples.offer_archive(source);
  } else {
    const auto follow = fs::directory_options::skip_permission_denied | fs::directory_options::follow_directory_symlink;
    for (const auto& entry : fs::recursive_directory_iterator(source, follow)) {
      if (!entry.is_regular_file()) continue;
      has_archive_extension(entry.path()) ? samples.offer_archive(entry.path()) : samples.offer(entry.path());
    }
  }
  std::sort(samples.pictures.begin(), samples.pictures.end());
  for (auto& [where, names] : samples.texts) std::sort(names.begin(), names.end());
  Records records;
  Faults faults(source.string());
  for (const fs::path& picture : samples.pictures) {
    CaptionRecord& record = records.at(picture.lexically_relative(source).generic_string());
    record.image = picture;
    faults.check([&] { read_sidecars(picture, samples.texts[picture.parent_path()], language, record); });
  }
  faults.finish();
  return records.take(source.string());
}

}  // namespace

std::vector<CaptionRecord> read_captions(const fs::path& source, const ReadCaptionsOptions& options) {
  if (!fs::exists(source)) throw InputError(source.string() + ": no such file or folder");
  const fs::path images = options.images.empty() ? source.parent_path() : options.images;
  try {
    if (fs::is_directory(source) || has_archive_extension(source)) return read_samples(source, options.language);
  } catch (const fs::filesystem_error& error) {
    throw InputError(source.string() + ": cannot be searched: " + error.code().message());
  }
  const std::string extension = lower_ascii(source.extension().string());
  if (extension == ".jsonl" || extension == ".ndjson") return read_lines(source, images, options.language);
  if (extension == ".json") return read_coco(source, images, options.language);
  throw InputError(source.string() + ": got a file ending in \"" + extension +
                   "\", expected JSON lines (.jsonl), COCO annotations (.json), a tar archive (.tar) or a folder of "
                   "pictures with .txt files");
}

}  // namespace limn
