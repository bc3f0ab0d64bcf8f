#include "apps/index.h"

#include <atomic>
#include <chrono>
#include <ostream>

#include "apps/caption_output.h"
#include "apps/index_plan.h"
#include "apps/models.h"
#include "apps/notes.h"
#include "apps/pictures.h"
#include "apps/train/data.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/ops.h"
#include "core/tar_archive.h"
#include "fusion/database.h"
#include "fusion/stores.h"
#include "vision/taken.h"

namespace limn {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kRecord = 64;  // pictures that are written at a time, unless encoding them takes long
constexpr double kRecordSeconds = 2;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

VectorType type_of(const std::string& word) {
  if (word == "fp32") return VectorType::fp32;
  if (word == "fp16") return VectorType::fp16;
  if (word == "int8") return VectorType::int8;
  throw UsageError("--vectors: got \"" + word + "\", expected fp32, fp16 or int8");
}

Structure structure_of(const std::string& word) {
  if (word == "auto") return Structure::automatic;
  if (word == "exact") return Structure::exact;
  if (word == "cells") return Structure::cells;
  throw UsageError("--structure: got \"" + word + "\", expected auto, exact or cells");
}

/// One run of the command.
class Run {
 public:
  Run(const IndexOptions& options, std::ostream& out, std::ostream& notes)
      : options_(options), out_(out), notes_(options.common, notes) {}

  int operator()(const std::function<IndexModel(const std::string&)>& open, std::istream& in) {
    const VectorType type = type_of(options_.type);
    const TidyOptions tidy{structure_of(options_.structure), options_.cells};
    const Inputs inputs = find_inputs(options_.inputs, in);
    for (const std::string& text : inputs.notes) notes_.note(text);
    read_given_captions();
    const bool present = !options_.rebuild && index_exists(options_.out);
    if (!present) {
      model_ = open({});
      const Embedder& embedder = *model_.model->embedder;
      make_index(options_.out, {model_.name, model_.identity, embedder.width, type}, options_.rebuild);
    }
    {
      const std::unique_ptr<IndexStore> store = open_store(options_.out);
      open_ = [&open, &store] { return open(store->content().head.model); };
      if (present && !options_.common.model.empty()) model();
      update(*store, inputs);
    }
    if (!interrupted()) tidy_store(options_.out, tidy);
    return report();
  }

 private:
  void read_given_captions() {
    for (const fs::path& source : options_.captions)
      for (const CaptionRecord& record : read_captions(source))
        for (const auto& [language, texts] : record.captions) {
          auto& all = captions_[index_path(record.image)];
          all.insert(all.end(), texts.begin(), texts.end());
        }
  }

  const IndexModel& model() {
    if (!model_.model) model_ = open_();
    return model_;
  }

  /// The model, and that it is the index's.
  const Embedder& embedder(const IndexStore& writer) {
    check_model(writer.content().head, model(), options_.out);
    return *model_.model->embedder;
  }

  void update(IndexStore& writer, const Inputs& inputs) {
    const IndexContent& content = writer.content();
    if (!options_.common.model.empty()) embedder(writer);
    if (content.end < content.size) notes_.note("the last run was cut off; going on where it was");
    PlanOptions wishes{.keep_missing = options_.keep_missing,
                       .captions = options_.captions.empty() ? nullptr : &captions_};
    for (const std::string& path : options_.inputs.paths)
      if (!failure_of(inputs, path) && (fs::is_directory(path) || has_archive_extension(path)))
        wishes.folders.push_back(path);
    plan_ = plan_index(inputs.items, content, wishes);
    for (const Input& input : plan_.failed) fail(input.path, input.error);
    writer.change(plan_.changes);
    copy(writer);
    encode(writer);
    const auto gone = static_cast<std::int64_t>(std::count(content.alive.begin(), content.alive.end(), 0));
    pictures_ = writer.next() - gone - plan_.removed - replaced_;
  }

  static const Input* failure_of(const Inputs& inputs, const std::string& path) {
    for (const Input& input : inputs.items)
      if (!input.error.empty() && input.path == path) return &input;
    return nullptr;
  }

  void fail(const fs::path& path, const std::string& why) {
    ++failed_;
    if (options_.json) out_ << Json::object({{"path", path.string()}, {"error", why}}).dump() << '\n';
    notes_.complain(explained(path, why));
  }

  Tensor caption_vectors(IndexStore& writer, const std::vector<NewEntry>& entries) {
    std::vector<std::string> texts;
    for (const NewEntry& item : entries) texts.insert(texts.end(), item.captions.begin(), item.captions.end());
    if (texts.empty()) return {};
    const Embedder& model = embedder(writer);
    if (!model.text) throw InputError("--captions: the model " + model_.name + " reads no texts");
    return model.texts(texts);
  }

  void add(IndexStore& writer, const std::vector<NewEntry>& entries, const Tensor& vectors) {
    if (entries.empty()) return;
    for (const NewEntry& item : entries) replaced_ += item.replaces.has_value();
    writer.add(entries, vectors, caption_vectors(writer, entries));
  }

  void copy(IndexStore& writer) {
    for (std::size_t at = 0; at < plan_.copies.size() && !interrupted(); at += kRecord) {
      std::vector<NewEntry> entries;
      std::vector<std::int64_t> rows;
      for (std::size_t i = at; i < std::min(at + kRecord, plan_.copies.size()); ++i) {
        entries.push_back(plan_.copies[i].item);
        rows.push_back(plan_.copies[i].from);
      }
      add(writer, entries, writer.rows(rows));
    }
  }

  void encode(IndexStore& writer) {
    if (plan_.encode.empty() || interrupted()) return;
    const Embedder& model = embedder(writer);
    Preprocess preprocess = model.preprocess;
    preprocess.threads = 1;  // the workers are the threads
    const auto make = [&](std::size_t index) {
      const Clock::time_point start = Clock::now();
      IndexEntry& entry = plan_.encode[index].item.entry;  // each is touched by one worker only
      const std::string bytes = read_file(shown_path(entry.path));
      entry.content = hash_of(bytes);
      const Image image = decode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                                 shown_path(entry.path), {.orientation = options_.inputs.orient});
      entry.width = image.width;
      entry.height = image.height;
      entry.taken = time_taken(bytes);
      Tensor pixels = preprocess(image);
      decoding_ += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
      return pixels;
    };
    const auto count = static_cast<std::int64_t>(plan_.encode.size());
    notes_.begin("index", count);
    const Clock::time_point start = written_ = Clock::now();
    Tensor vectors;  // [B E] of the last batch
    in_order(
        plan_.encode.size(), make, {options_.common, model.placement},
        [&](const Tensor& pictures, const std::vector<std::size_t>&) {
          const Clock::time_point before = Clock::now();
          vectors = model.pictures(pictures);
          encoding_ += seconds_since(before);
        },
        [&](std::size_t index, std::size_t row, const std::string& error) {
          if (error.empty())
            keep(plan_.encode[index], vectors[static_cast<std::int64_t>(row)]);
          else
            drop(plan_.encode[index], error);
          if (static_cast<std::int64_t>(waiting_.size()) >= kRecord || seconds_since(written_) > kRecordSeconds)
            flush(writer);
          notes_.update(static_cast<std::int64_t>(index) + 1);
        });
    flush(writer);
    total_ = seconds_since(start);
    notes_.end();
  }

  void drop(const ToEncode& item, const std::string& error) {
    fail(shown_path(item.item.entry.path), error);
    for (const NewEntry& twin : item.twins) fail(shown_path(twin.entry.path), error);
    (item.item.replaces ? plan_.changed : plan_.added) -= 1 + static_cast<std::int64_t>(item.twins.size());
  }

  void keep(const ToEncode& item, const Tensor& vector) {
    keep(item.item, vector);
    for (NewEntry twin : item.twins) {
      twin.entry.width = item.item.entry.width;
      twin.entry.height = item.item.entry.height;
      twin.entry.taken = item.item.entry.taken;
      keep(twin, vector);
    }
    ++encoded_;
  }

  void keep(const NewEntry& item, const Tensor& vector) {
    waiting_.push_back(item);
    vectors_.push_back(vector);
  }

  void flush(IndexStore& writer) {
    if (waiting_.empty()) return;
    add(writer, waiting_, at::stack(vectors_));
    waiting_.clear();
    vectors_.clear();
    written_ = Clock::now();
  }

  int report() {
    const double wait = std::max(0.0, total_ - encoding_);
    if (options_.json) {
      Json seconds = Json::object({{"total", total_},
                                   {"encode", encoding_},
                                   {"wait", wait},
                                   {"decode", static_cast<double>(decoding_.load()) * 1e-9}});
      out_ << Json::object({{"index", place_name(options_.out)},
                            {"pictures", pictures_},
                            {"added", plan_.added},
                            {"changed", plan_.changed},
                            {"moved", plan_.moved},
                            {"removed", plan_.removed},
                            {"unchanged", plan_.unchanged},
                            {"failed", failed_},
                            {"encoded", encoded_},
                            {"seconds", seconds}})
                  .dump()
           << '\n';
      flush_results(out_);
    } else {
      std::string text = place_name(options_.out) + ": " + std::to_string(pictures_) + " pictures";
      const auto tell = [&text](std::int64_t count, const char* what) {
        if (count > 0) text += ", " + std::to_string(count) + " " + what;
      };
      tell(plan_.added, "new");
      tell(plan_.changed, "changed");
      tell(plan_.moved, "moved");
      tell(plan_.removed, "gone");
      tell(failed_, "failed");
      notes_.note((interrupted() ? "interrupted; " : "") + text);
      if (options_.common.verbose && encoded_ > 0) {
        char times[160];
        std::snprintf(times, sizeof times,
                      "%.1f pictures/s; encoding %.0f %% of the time, waiting for pictures %.0f %%",
                      static_cast<double>(encoded_) / total_, 100 * encoding_ / total_, 100 * wait / total_);
        notes_.note(times);
      }
    }
    if (interrupted()) return exit_interrupted;
    return failed_ > 0 ? exit_some_failed : exit_done;
  }

  const IndexOptions& options_;
  std::ostream& out_;
  Notes notes_;
  std::function<IndexModel()> open_;
  IndexModel model_;
  IndexPlan plan_;
  std::map<std::string, std::vector<std::string>> captions_;
  std::vector<NewEntry> waiting_;  ///< encoded, not yet written
  std::vector<Tensor> vectors_;    ///< [E] each
  Clock::time_point written_;
  std::atomic<std::int64_t> decoding_ = 0;  ///< nanoseconds of all workers together
  double encoding_ = 0, total_ = 0;
  std::int64_t encoded_ = 0, failed_ = 0, replaced_ = 0, pictures_ = 0;
};

int merge(const IndexOptions& options, std::ostream& out, std::ostream& stream) {
  Notes notes(options.common, stream);
  const TidyOptions tidy{structure_of(options.structure), options.cells};
  std::vector<fs::path> files(options.inputs.paths.begin(), options.inputs.paths.end());
  if (files.empty()) throw UsageError("--merge: names no index; limn index --merge part-*.idx -o all.idx");
  for (const fs::path& place : {files.front(), options.out})
    if (is_database(place.string()))
      throw UsageError("--merge: got a database, expected files; processes may index into one database at once");
  std::optional<IndexWriter> lock;
  if (!options.rebuild && index_exists(options.out)) {
    lock.emplace(options.out);
    files.push_back(options.out);
  }
  const std::int64_t pictures = merge_indexes(files, options.out);
  lock.reset();
  tidy_index(options.out, tidy);
  const auto merged = static_cast<std::int64_t>(options.inputs.paths.size());
  if (options.json)
    out << Json::object({{"index", options.out.string()}, {"pictures", pictures}, {"merged", merged}}).dump() << '\n';
  else
    notes.note(options.out.string() + ": " + std::to_string(pictures) + " pictures of " + std::to_string(merged) +
               " indexes");
  flush_results(out);
  return exit_done;
}

}  // namespace

IndexModel open_index_model(const CommonOptions& common, const std::string& stored) {
  CommonOptions chosen = common;
  if (chosen.model.empty()) chosen.model = !stored.empty() ? stored : kDefaultModel;
  IndexModel result{chosen.model, {}, open_chosen_model(chosen)};
  if (fs::is_directory(result.name)) result.name = index_path(result.name);  // found again from any folder
  result.identity = model_identity(result.model->folder);
  if (!result.model->embedder || !result.model->embedder->image)
    throw UsageError("the model " + result.model->folder.string() + " (family " + result.model->family +
                     ") embeds no pictures; limn models info shows what a model can do");
  return result;
}

void check_model(const IndexHead& head, const IndexModel& model, const fs::path& file) {
  if (head.identity == model.identity) return;
  throw InputError(place_name(file) + ": was made with the model " + head.model + " (weights " + head.identity +
                   "), got " + model.name + " (weights " + model.identity +
                   "); use that model, or make the index anew with --rebuild");
}

int index_with(const std::function<IndexModel(const std::string& stored)>& open, const IndexOptions& options,
               std::istream& in, std::ostream& out, std::ostream& notes) {
  return Run(options, out, notes)(open, in);
}

int index_pictures(const IndexOptions& options, std::istream& in, std::ostream& out, std::ostream& notes) {
  if (options.merge) return merge(options, out, notes);
  return index_with([&options](const std::string& stored) { return open_index_model(options.common, stored); }, options,
                    in, out, notes);
}

}  // namespace limn
