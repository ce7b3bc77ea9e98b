// SPDX-License-Identifier: Apache-2.0
// The main() of a fuzz target without libFuzzer: each file of the folders given, and a number of
// inputs made from them by cutting, flipping and splicing, the same in each run.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kChangedInputs = 20'000;

void run(const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::string change(std::string input, const std::vector<std::string>& all, std::mt19937& random) {
    const auto below = [&](std::size_t limit) { return random() % (limit == 0 ? 1 : limit); };
    for (auto steps = 1 + below(4); steps > 0; --steps) {
        switch (below(4)) {
            case 0:
                input.resize(below(input.size() + 1));
                break;
            case 1:
                if (!input.empty()) input[below(input.size())] ^= static_cast<char>(1U << below(8));
                break;
            case 2:
                if (!input.empty()) input[below(input.size())] = static_cast<char>(below(256));
                break;
            default: {
                const auto& other = all[below(all.size())];
                input.insert(below(input.size() + 1), other.substr(below(other.size() + 1), 64));
            }
        }
    }
    return input;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> inputs{""};
    for (int i = 1; i < argc; ++i)
        for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
            if (!entry.is_regular_file()) continue;
            std::ifstream file(entry.path(), std::ios::binary);
            inputs.emplace_back(std::istreambuf_iterator<char>(file),
                                std::istreambuf_iterator<char>());
        }
    if (inputs.size() == 1) {
        std::fprintf(stderr, "%s: no corpus\n", argv[0]);
        return 1;
    }
    for (const auto& input : inputs) run(input);
    std::mt19937 random(1);  // NOLINT: the same inputs in each run
    for (int i = 0; i < kChangedInputs; ++i)
        run(change(inputs[random() % inputs.size()], inputs, random));
    std::printf("%zu inputs and %d made from them\n", inputs.size(), kChangedInputs);
    return 0;
}
