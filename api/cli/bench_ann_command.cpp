// aeon bench ann: its options.
#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "api/cli/bench_ann.hpp"
#include "api/cli/command.hpp"
#include "api/cli/options.hpp"

namespace aeon::cli {
namespace {

int run(const Chosen& chosen, const AnnBench& bench) {
  const Status done = bench_ann(bench, [](const std::string& line) {
    print(line);
    flush_output();
  });
  return done ? kDone : report(chosen, done.error());
}

void add_files(CLI::App& command, AnnBench& ann) {
  command.add_option("--base", ann.base, "rows, .fbin")->required();
  command.add_option("--query", ann.query, "queries, .fbin")->required();
  command.add_option("--truth", ann.truth, "the nearest rows of each query, .ibin; else computed");
  command.add_option("--dir", ann.directory, "where to make a palace for the time being");
  command.add_flag("--keep", ann.keep, "leave the palace there");
}

void add_space(CLI::App& command, AnnBench& ann) {
  const std::map<std::string, Metric> metrics = {
      {"cosine", Metric::cosine}, {"dot", Metric::dot}, {"l2", Metric::l2}};
  const std::map<std::string, Precision> precisions = {
      {"int8", Precision::int8}, {"float16", Precision::float16}, {"float32", Precision::float32}};
  command.add_option("--metric", ann.metric)
      ->transform(CLI::CheckedTransformer(metrics))
      ->option_text("cosine|dot|l2");
  command.add_option("--precision", ann.precision, "kept beside the INT8 row")
      ->transform(CLI::CheckedTransformer(precisions))
      ->option_text("int8|float16|float32");
}

void add_load(CLI::App& command, AnnBench& ann) {
  const std::map<std::string, RowOrder> orders = {{"given", RowOrder::given},
                                                  {"shuffled", RowOrder::shuffled},
                                                  {"reversed", RowOrder::reversed}};
  add_durability(command, ann.durability);
  command.add_option("--batch", ann.batch, "rows a commit")
      ->check(CLI::Range(std::size_t{1}, kMaxBatchOperations));
  command.add_option("--loaders", ann.loaders, "threads that insert; else as many as query")
      ->check(CLI::Range(1, 1024));
  command.add_option("--order", ann.order, "of the rows")
      ->transform(CLI::CheckedTransformer(orders))
      ->option_text("given|shuffled|reversed");
  command.add_option("--seed", ann.seed, "of the shuffled order");
}

}  // namespace

void add_bench_ann(CLI::App& bench, Chosen& chosen) {
  auto options = std::make_shared<AnnBench>();
  CLI::App* command = add_command(bench, chosen, "ann", "recall against queries a second");
  AnnBench& ann = *options;
  add_files(*command, ann);
  add_space(*command, ann);
  add_load(*command, ann);
  command->add_option("-k", ann.k)->check(CLI::Range(1U, kMaxK));
  command->add_option("--threads", ann.threads, "that query; one setting each")
      ->check(CLI::Range(1, 1024));
  command->add_option("--target-recall", ann.target_recall, "one setting each; else some")
      ->delimiter(',')
      ->check(CLI::Range(1e-6, 1.0));
  command->add_option("--effort", ann.effort, "one setting each, beside those by target")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--query-batch", ann.query_batch, "queries asked together; one setting each")
      ->delimiter(',')
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--rounds", ann.rounds)->check(CLI::Range(1, 1000));
  command->add_option("--seconds", ann.seconds, "of each setting in each round, at least")
      ->check(CLI::Range(0.0, 3600.0));
  command->add_flag("--step", ann.step, "a round for each line of standard input");
  command->callback(
      [&chosen, options] { chosen.run = [&chosen, options] { return run(chosen, *options); }; });
}

}  // namespace aeon::cli
