#include "apps/train/train.h"
#include "apps/commands/commands.h"
#include "apps/progress.h"

namespace limn {

void add_train(CLI::App& app, Action& action) {
  auto options = std::make_shared<TrainOptions>();
  auto fresh = std::make_shared<bool>(false);
  auto seed = std::make_shared<std::uint64_t>(0);
  auto common = std::make_shared<CommonOptions>();
  CLI::App* command = app.add_subcommand("train", "Train the house model as a TOML file says; run again to go on");
  command->add_option("config", options->config, "TOML file of the run")->required()->type_name("FILE");
  const Group group{*command, "Run"};
  group.option("-t,--threads", options->threads, "N", "threads that compute; the same number repeats a run exactly")
      ->check(CLI::Range(1, 4096));
  group.setting("--device", options->device, "DEVICE", "auto, cpu, cuda or cuda:N");
  group.option("--stop-after", options->stop_after, "N", "end after N steps of this call, with a checkpoint")
      ->check(CLI::PositiveNumber);
  group.option("--seed", *seed, "N", "instead of the file's");
  group.flag("--json", options->json, "every line of metrics.jsonl on standard output too");
  group.flag("--restart", *fresh, "begin anew, even where the run folder has a checkpoint");
  add_notes_options(*command, *common);
  command->footer("Example:\n  limn train recipes/limn-small.toml\nCtrl-C writes a checkpoint and ends.");
  command->callback([=, &action] {
    if (command->count("--seed") > 0) options->seed = *seed;
    action = [=] {
      options->resume = !*fresh;
      options->stop = interrupted;
      options->progress = common->progress && !common->quiet && terminal_for_progress();
      std::ostream silent(nullptr);
      return train(*options, std::cout, common->quiet ? silent : std::cerr);
    };
  });
}

}  // namespace limn
