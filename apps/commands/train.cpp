#include "apps/train/train.h"
#include "apps/commands/commands.h"

namespace limn {

void add_train(CLI::App& app, Action& action) {
  auto options = std::make_shared<TrainOptions>();
  auto fresh = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("train", "Train the house model as a TOML file says; run again to go on");
  command->add_option("config", options->config, "TOML file of the run")->required()->type_name("FILE");
  const Group group{*command, "Run"};
  group.option("-t,--threads", options->threads, "N", "threads that compute; the same number repeats a run exactly")
      ->check(CLI::Range(1, 4096));
  group.option("--stop-after", options->stop_after, "N", "end after N steps of this call, with a checkpoint")
      ->check(CLI::PositiveNumber);
  group.flag("--restart", *fresh, "begin anew, even where the run folder has a checkpoint");
  command->footer(
      "Examples:\n  limn train models/limn-small/recipe/caption.toml\nCtrl-C writes a checkpoint and ends.");
  command->callback([=, &action] {
    action = [=] {
      options->resume = !*fresh;
      options->stop = interrupted;
      return train(*options, std::cout, std::cerr);
    };
  });
}

}  // namespace limn
