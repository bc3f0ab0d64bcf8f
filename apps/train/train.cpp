#include "apps/train/train.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <ostream>
#include <sstream>

#include "apps/progress.h"
#include "apps/train/run.h"
#include "core/files.h"
#include "core/ops.h"

namespace limn {

namespace {

using Clock = std::chrono::steady_clock;

// A line of the metrics file. @return the same for people
std::string report_steps(const Run& run, const Report& sum, double steps, double seconds) {
  Json line = Json::object({{"step", run.step}});
  std::ostringstream text;
  text << std::setprecision(4);
  for (const auto& [name, value] : sum.losses) {
    line.set(name, value / steps);
    text << "  " << name << " " << value / steps;
  }
  line.set("gradient_norm", sum.norm / steps);
  line.set("rate", sum.rate);
  line.set("seconds_per_step", seconds / steps);
  append_metrics(run, line);
  return text.str().substr(2);
}

int run_steps(Run& run) {
  const TrainConfig& c = run.config;
  const std::int64_t last = run.options.stop_after > 0 ? std::min(c.steps, run.step + run.options.stop_after) : c.steps;
  Progress progress(run.notes,
                    {.label = "train", .total = c.steps, .first = run.step, .enabled = run.options.progress});
  auto since = Clock::now();
  Report sum;
  std::int64_t summed = 0;
  std::string detail;
  while (run.step < last) {
    take_step(run, sum);
    ++summed;
    if (run.step % c.log_every == 0) {
      const double seconds = std::chrono::duration<double>(Clock::now() - since).count();
      detail = report_steps(run, sum, static_cast<double>(summed), seconds);
      if (!run.options.progress)
        run.notes << "step " << run.step << "/" << c.steps << "  " << detail << "  "
                  << clock_text(seconds / static_cast<double>(summed) * static_cast<double>(c.steps - run.step))
                  << " left" << std::endl;
      sum = {};
      summed = 0;
      since = Clock::now();
    }
    progress.update(run.step, detail);
    const bool stopped = run.options.stop && run.options.stop();
    if (stopped || run.step % c.save_every == 0 || run.step == last) save_checkpoint(run);
    if (stopped) return 130;
    if (run.step % c.validate_every == 0 || run.step == c.steps) {
      progress.clear();
      validate(run);
      save_checkpoint(run);
      since = Clock::now();
    }
  }
  return 0;
}

}  // namespace

void Report::add(const std::string& name, double value) {
  const auto known = std::ranges::find(losses, name, &std::pair<std::string, double>::first);
  if (known == losses.end())
    losses.emplace_back(name, value);
  else
    known->second += value;
}

AdamWOptions steps_of(const TrainConfig& config, std::map<std::string, double> rates) {
  return {.beta1 = config.beta1,
          .beta2 = config.beta2,
          .weight_decay = config.weight_decay,
          .clip = config.clip,
          .ema = config.ema,
          .rates = std::move(rates)};
}

Weights trainable_weights(TensorTable start, const TrainConfig& config, const Placement& placement) {
  WeightsOptions options;
  options.placement = placement;
  options.what = "start";
  options.fill = true;
  options.seed = config.seed;
  options.trainable = true;
  return Weights(std::move(start), options);
}

std::map<std::string, Tensor> stepped(std::map<std::string, Tensor> weights, const TrainOptions& options,
                                      const TrainConfig& config) {
  const std::string where = options.config.string() + ": [model] frozen: ";
  for (const std::string& part : config.frozen)
    if (std::erase_if(weights, [&](const auto& named) {
          const bool frozen = named.first == part || named.first.rfind(part + ".", 0) == 0;
          if (frozen) named.second.requires_grad_(false);
          return frozen;
        }) == 0)
      throw InputError(where + "no weight is called \"" + part + "\" or \"" + part + ".…\"");
  if (weights.empty()) throw InputError(where + "nothing is left to be trained");
  return weights;
}

void take_step(Run& run, Report& report) {
  const TrainConfig& c = run.config;
  std::mt19937_64 random(c.seed * 7919u + static_cast<std::uint64_t>(run.step) + 1u);
  at::manual_seed(random());  // dropout
  for (std::int64_t part = 0; part < c.accumulate; ++part) run.add_gradients(part, random, report);
  report.rate = cosine_rate(run.step, c.steps, c.warmup, c.rate, c.final_rate);
  report.norm += run.optimizer.step(report.rate);
  ++run.step;
}

int train(const TrainOptions& options, std::ostream& out, std::ostream& notes) {
  if (options.threads > 0) at::set_num_threads(options.threads);
  TrainConfig config = read_train_config(options.config);
  if (options.seed) config.seed = *options.seed;
  const auto make = config.objective == Objective::caption   ? caption_run
                    : config.objective == Objective::stylize ? stylize_run
                                                             : style_text_run;
  const std::unique_ptr<Run> run = make(config, options, out, notes);
  std::filesystem::create_directories(config.out);
  const FolderLock lock(config.out);
  if (!run->read_data()) return 130;
  if (options.resume && std::filesystem::exists(checkpoint_file(config))) {
    load_checkpoint(*run);
    notes << "resuming at step " << run->step << std::endl;
  }
  rewind_metrics(config.out / "metrics.jsonl", run->step);
  std::int64_t trained = 0;
  for (const auto& [name, weight] : run->optimizer.weights()) trained += weight.numel();
  notes << run->pictures() << " pictures, " << trained << " of " << run->numbers() << " weights trained, step "
        << run->step << " of " << config.steps << std::endl;

  const int code = run_steps(*run);
  if (options.json)
    out << Json::object({{"step", run->step}, {"steps", config.steps}, {"out", config.out.string()}}).dump()
        << std::endl;
  else
    out << config.out.string() << ": step " << run->step << " of " << config.steps
        << (run->best ? "; the best so far is in best/" : "") << std::endl;
  return code;
}

}  // namespace limn
