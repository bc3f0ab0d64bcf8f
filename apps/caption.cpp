#include "apps/caption.h"

#include <map>
#include <memory>
#include <ostream>
#include <set>

#include "apps/caption_engine.h"
#include "apps/notes.h"
#include "apps/pictures.h"
#include "apps/results.h"
#include "apps/sheet.h"
#include "core/files.h"
#include "core/ops.h"
#include "vision/image.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

void check_outputs(const CaptionOptions& options) {
  const CaptionStyle style = options.format.style;
  if (options.resume && (options.out.empty() || style != CaptionStyle::json))
    throw UsageError(
        "--resume goes on with a file of JSON lines: add --json --out FILE; with --sidecar alone say --existing skip");
  if (!options.stream) return;
  const bool plain = style == CaptionStyle::text && options.out.empty() && !options.format.sentence &&
                     !options.format.scores && !options.format.min_score && options.search.nbest == 1 &&
                     options.search.beams.value_or(1) == 1;
  if (!plain)
    throw UsageError(
        "--stream prints one caption as it grows: without --beams, --nbest, --scores, --min-score, --sentence and "
        "other formats");
}

/// An input and what is to happen with it.
struct Task {
  fs::path path;
  std::string error;  ///< reported instead of a caption
  bool describe = false;
};

struct Counts {
  std::int64_t described = 0, failed = 0, skipped = 0, withheld = 0;
  bool unwritable = false;
};

/// One run of the command: plans, describes, reports in the order of the inputs.
class Run {
 public:
  Run(const CaptionOptions& options, std::ostream& out, std::ostream& notes)
      : options_(options), out_(out), notes_(options.common, notes) {}

  int operator()(const std::function<CaptionEngine()>& open, std::istream& in) {
    check_outputs(options_);
    plan_files();
    const Inputs inputs = find_inputs(options_.inputs, in);
    single_ = inputs.single;
    if (options_.stream && !single_) throw UsageError("--stream is for one picture");
    for (const std::string& text : inputs.notes) notes_.note(text);
    for (const Input& input : inputs.items) tasks_.push_back(planned(input));
    open_results();
    describe(open);
    report_until(tasks_.size());
    return finish();
  }

 private:
  /// Decides about all result files before the first picture is looked at.
  void plan_files() {
    const Existing existing = options_.sidecar.existing;
    if (!options_.out.empty()) {
      const bool present = fs::exists(options_.out);
      if (options_.resume && present) {
        earlier_ = read_earlier(options_.out);
      } else if (plan_output(options_.out, existing) == OutputPlan::keep) {
        throw WriteError(options_.out.string() +
                         ": exists already; say --existing overwrite to replace it, or --resume to go on with it");
      }
    }
    for (const fs::path& file : {options_.coco_results, options_.sheet})
      if (!file.empty() && plan_output(file, options_.resume ? Existing::overwrite : existing) == OutputPlan::keep)
        kept_.insert(file);
  }

  Task planned(const Input& input) {
    Task task{input.path, input.error};
    if (!task.error.empty()) return task;
    if (earlier_.captions.count(input.path.string())) {
      ++counts_.skipped;
      return task;
    }
    task.describe = true;
    if (options_.sidecar.extension.empty()) return task;
    try {
      const fs::path file = sidecar_of(input.path, options_.sidecar);
      const auto [owner, fresh] = sidecars_.emplace(file.lexically_normal().string(), input.path);
      if (!fresh) throw WriteError(file.string() + ": is the sidecar of " + owner->second.string() + " already");
      if (plan_sidecar(input.path, options_.sidecar) == SidecarPlan::skip) {
        ++counts_.skipped;
        task.describe = false;
      }
    } catch (const WriteError& error) {
      counts_.unwritable = true;
      task.error = error.what();
      task.describe = false;
    }
    return task;
  }

  void open_results() {
    if (options_.out.empty()) {
      results_ = std::make_unique<Results>(out_);
    } else {
      if (!earlier_.clean) write_file(options_.out, earlier_.kept);  // failures are tried again, a cut line goes
      results_ = std::make_unique<Results>(options_.out, options_.resume);
    }
    results_->put(render_header(options_.format.style));
  }

  void describe(const std::function<CaptionEngine()>& open) {
    std::vector<fs::path> pictures;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (!tasks_[i].describe) continue;
      pictures.push_back(tasks_[i].path);
      places.push_back(i);
    }
    if (pictures.empty()) return;
    const CaptionEngine engine = open();
    CaptionSearch search = options_.search;
    if (options_.stream) search.beams = 1;
    CaptionRequest request = caption_request(search, engine);
    if (options_.common.verbose) notes_.note(engine.name);
    if (options_.stream) {
      printer_ = std::make_unique<TokenPrinter>(engine, engine.begin(request.prompt, request.language),
                                                options_.format.prefix, out_);
      request.generate.on_token = [this](std::int64_t, std::int64_t token) { printer_->add(token); };
    }
    const auto count = static_cast<std::int64_t>(pictures.size());
    notes_.begin("caption", count);
    engine.describe(pictures, request, [&](std::size_t index, const Described& described) {
      report_until(places[index]);
      report(record_of(pictures[index], described));
      ++reported_;
      notes_.update(static_cast<std::int64_t>(index) + 1);
    });
    notes_.end();
    printer_.reset();
  }

  CaptionResult record_of(const fs::path& path, const Described& described) const {
    CaptionResult record{path, described.error, {}, false};
    if (!record.error.empty()) return record;
    for (const Caption& caption : described.captions)
      record.captions.push_back({dress(caption.text, options_.format), caption.score, caption.ids, caption.logprobs});
    if (record.captions.empty()) record.error = "the model gave no caption";
    record.withheld =
        record.error.empty() && options_.format.min_score && record.captions[0].score < *options_.format.min_score;
    return record;
  }

  /// Reports the inputs before `end` that need no captions; all that is described before it has been reported.
  void report_until(std::size_t end) {
    for (; reported_ < end && !(tasks_[reported_].describe && interrupted()); ++reported_)
      if (!tasks_[reported_].error.empty()) report({tasks_[reported_].path, tasks_[reported_].error, {}, false});
  }

  void report(const CaptionResult& record) {
    notes_.clear();
    if (!record.error.empty()) {
      ++counts_.failed;
      notes_.complain(explained(record.path, record.error));
    } else if (record.withheld) {
      ++counts_.withheld;
    } else {
      ++counts_.described;
      save_sidecar(record);
    }
    if (printer_ && record.error.empty()) {
      printer_->finish(record.captions[0].text);
    } else {
      results_->put(render(record, options_.format, single_));
    }
    if (!options_.coco_results.empty() || !options_.sheet.empty()) records_.push_back(record);
  }

  void save_sidecar(const CaptionResult& record) {
    if (options_.sidecar.extension.empty()) return;
    std::string text;
    for (const ScoredCaption& caption : record.captions) text += (text.empty() ? "" : "\n") + caption.text;
    try {
      write_sidecar(record.path, text, options_.sidecar);
    } catch (const WriteError& error) {
      counts_.unwritable = true;
      notes_.complain(error.what());
    }
  }

  // The pictures that were described, with their captions under them.
  void draw_sheet() {
    const SheetOptions options;
    std::vector<SheetEntry> entries;
    for (const CaptionResult& record : with_earlier(records_)) {
      std::vector<std::string> texts;
      if (!record.withheld)
        for (const ScoredCaption& caption : record.captions) texts.push_back(caption.text);
      entries.push_back(sheet_entry(record.path, std::move(texts), options_.inputs.orient, options.side));
    }
    if (entries.empty()) return notes_.note("no pictures, so no contact sheet");
    const Drawing sheet = contact_sheet(entries, options);
    write_image(options_.sheet, sheet.pixels);
    if (!sheet.note.empty()) notes_.note(sheet.note);
  }

  int finish() {
    results_->finish();
    if (!options_.coco_results.empty() && !kept_.count(options_.coco_results))
      write_file(options_.coco_results, coco_results(with_earlier(records_)));
    if (!options_.sheet.empty() && !kept_.count(options_.sheet)) draw_sheet();
    for (const fs::path& file : kept_) notes_.note(file.string() + ": exists already and was left as it is");
    summarise();
    if (interrupted()) return exit_interrupted;
    if (counts_.unwritable) return exit_unwritable;
    return counts_.failed > 0 ? exit_some_failed : exit_done;
  }

  /// The records of this run, and those of earlier runs in their places.
  std::vector<CaptionResult> with_earlier(const std::vector<CaptionResult>& records) const {
    std::map<std::string, const CaptionResult*> by_path;
    for (const CaptionResult& record : records) by_path[record.path.string()] = &record;
    std::vector<CaptionResult> all;
    for (const Task& task : tasks_) {
      const std::string path = task.path.string();
      const auto earlier = earlier_.captions.find(path);
      const auto fresh = by_path.find(path);
      if (fresh != by_path.end()) {
        all.push_back(*fresh->second);
      } else if (earlier != earlier_.captions.end() && !earlier->second.empty()) {
        all.push_back({task.path, "", {{earlier->second, 0, {}, {}}}, false});
      }
    }
    return all;
  }

  void summarise() {
    const bool worth =
        options_.common.verbose || counts_.failed + counts_.skipped + counts_.withheld > 0 || interrupted();
    if (!worth || tasks_.size() < 2) return;
    std::string text = std::to_string(counts_.described) + " described";
    if (counts_.skipped > 0) text += ", " + std::to_string(counts_.skipped) + " had captions already";
    if (counts_.withheld > 0) text += ", " + std::to_string(counts_.withheld) + " below --min-score";
    if (counts_.failed > 0) text += ", " + std::to_string(counts_.failed) + " failed";
    notes_.note((interrupted() ? "interrupted; " : "") + text);
  }

  const CaptionOptions& options_;
  std::ostream& out_;
  Notes notes_;
  std::vector<Task> tasks_;
  bool single_ = false;
  std::size_t reported_ = 0;  ///< tasks before this one have been told
  EarlierResults earlier_;
  std::set<fs::path> kept_;
  std::map<std::string, fs::path> sidecars_;  ///< whose they are
  std::vector<CaptionResult> records_;
  std::unique_ptr<Results> results_;
  std::unique_ptr<TokenPrinter> printer_;
  Counts counts_;
};

}  // namespace

TokenPrinter::TokenPrinter(const CaptionEngine& engine, std::vector<std::int64_t> begin, std::string prefix,
                           std::ostream& out)
    : engine_(engine), ids_(std::move(begin)), prefix_(std::move(prefix)), out_(out) {}

TokenPrinter::~TokenPrinter() {
  if (!finished_ && !printed_.empty()) out_ << '\n';  // interrupted amid a line
}

void TokenPrinter::add(std::int64_t token) {
  ids_.push_back(token);
  std::string text = prefix_ + engine_.decode(ids_);
  while (text.size() >= 3 && text.compare(text.size() - 3, 3, "\xEF\xBF\xBD") == 0)
    text.resize(text.size() - 3);  // half a character
  if (text.size() <= printed_.size() || text.compare(0, printed_.size(), printed_) != 0) return;
  out_ << text.substr(printed_.size());
  printed_ = text;
  flush_results(out_);
}

void TokenPrinter::finish(const std::string& text) {
  finished_ = true;
  if (text.compare(0, printed_.size(), printed_) == 0)
    out_ << text.substr(printed_.size()) << '\n';
  else
    out_ << '\n' << text << '\n';  // the words as printed turned out otherwise
  flush_results(out_);
}

int caption_with(const std::function<CaptionEngine()>& open, const CaptionOptions& options, std::istream& in,
                 std::ostream& out, std::ostream& notes) {
  return Run(options, out, notes)(open, in);
}

int caption(const CaptionOptions& options, std::istream& in, std::ostream& out, std::ostream& notes) {
  return caption_with([&] { return open_caption_engine(options.common, options.inputs.orient); }, options, in, out,
                      notes);
}

}  // namespace limn
