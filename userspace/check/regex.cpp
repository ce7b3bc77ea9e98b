// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <memory>
#include <string>

namespace vipd::check {

namespace {

/// What a body may cost: a pattern that backtracks for ever must not hold up the other checkers.
constexpr std::uint32_t kMatchLimit = 1'000'000;
constexpr std::uint32_t kHeapLimitKib = 16 * 1024;

struct Option {
    std::string_view name;
    std::uint32_t bit;
};

constexpr std::array kOptions{Option{"allow_empty_class", PCRE2_ALLOW_EMPTY_CLASS},
                              Option{"alt_bsux", PCRE2_ALT_BSUX},
                              Option{"auto_callout", PCRE2_AUTO_CALLOUT},
                              Option{"caseless", PCRE2_CASELESS},
                              Option{"dollar_endonly", PCRE2_DOLLAR_ENDONLY},
                              Option{"dotall", PCRE2_DOTALL},
                              Option{"dupnames", PCRE2_DUPNAMES},
                              Option{"extended", PCRE2_EXTENDED},
                              Option{"firstline", PCRE2_FIRSTLINE},
                              Option{"match_unset_backref", PCRE2_MATCH_UNSET_BACKREF},
                              Option{"multiline", PCRE2_MULTILINE},
                              Option{"never_ucp", PCRE2_NEVER_UCP},
                              Option{"never_utf", PCRE2_NEVER_UTF},
                              Option{"no_auto_capture", PCRE2_NO_AUTO_CAPTURE},
                              Option{"no_auto_possess", PCRE2_NO_AUTO_POSSESS},
                              Option{"no_dotstar_anchor", PCRE2_NO_DOTSTAR_ANCHOR},
                              Option{"no_start_optimize", PCRE2_NO_START_OPTIMIZE},
                              Option{"ucp", PCRE2_UCP},
                              Option{"ungreedy", PCRE2_UNGREEDY},
                              Option{"utf", PCRE2_UTF},
                              Option{"never_backslash_c", PCRE2_NEVER_BACKSLASH_C},
                              Option{"alt_circumflex", PCRE2_ALT_CIRCUMFLEX},
                              Option{"alt_verbnames", PCRE2_ALT_VERBNAMES},
                              Option{"use_offset_limit", PCRE2_USE_OFFSET_LIMIT}};

template <class T, void (*free)(T*)>
struct Free {
    void operator()(T* object) const { free(object); }
};
using Code = std::unique_ptr<pcre2_code, Free<pcre2_code, pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data, pcre2_match_data_free>>;
using Context =
    std::unique_ptr<pcre2_match_context, Free<pcre2_match_context, pcre2_match_context_free>>;

Error error_of(const char* what, int number) {
    std::array<PCRE2_UCHAR, 256> text{};
    pcre2_get_error_message(number, text.data(), text.size());
    return Error{std::string(what) + reinterpret_cast<const char*>(text.data())};
}

Result<Code> compile(const Regex& regex) {
    std::uint32_t bits = regex.max_offset != 0 ? PCRE2_USE_OFFSET_LIMIT : 0U;
    for (const auto& name : regex.options) {
        const Option* known = nullptr;
        for (const auto& option : kOptions)
            if (option.name == name) known = &option;
        if (known == nullptr) return fail("unknown regex option " + name);
        bits |= known->bit;
    }
    int error = 0;
    PCRE2_SIZE at = 0;
    Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regex.pattern.data()),
                            regex.pattern.size(),
                            bits,
                            &error,
                            &at,
                            nullptr));
    if (!code) return fail(error_of("regex: ", error));
    return code;
}

}  // namespace

Result<bool> fits(const Regex& regex, std::string_view body) {
    auto code = compile(regex);
    if (!code) return fail(std::move(code.error()));
    const MatchData data(pcre2_match_data_create_from_pattern(code->get(), nullptr));
    const Context context(pcre2_match_context_create(nullptr));
    if (!data || !context) return fail("regex: no memory");
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimitKib);
    if (regex.max_offset != 0) pcre2_set_offset_limit(context.get(), regex.max_offset);
    if (regex.min_offset > body.size()) return regex.no_match;
    const int found = pcre2_match(code->get(),
                                  reinterpret_cast<PCRE2_SPTR>(body.data()),
                                  body.size(),
                                  regex.min_offset,
                                  0,
                                  data.get(),
                                  context.get());
    if (found >= 0) return !regex.no_match;
    if (found == PCRE2_ERROR_NOMATCH) return regex.no_match;
    return fail(error_of("regex on the body: ", found));
}

}  // namespace vipd::check
