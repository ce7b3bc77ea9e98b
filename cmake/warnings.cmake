# Every target links vipd_options: warnings, hardening and sanitizers in one place.
add_library(vipd_options INTERFACE)
target_include_directories(vipd_options INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
target_compile_options(vipd_options INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor
    -Werror=return-type -Werror=vla -Werror)
target_compile_definitions(vipd_options INTERFACE _GLIBCXX_ASSERTIONS VIPD_VERSION="${PROJECT_VERSION}")
if(VIPD_LIBFUZZER)
    # Libraries as well: what is not counted in them, libFuzzer cannot look for.
    target_compile_options(vipd_options INTERFACE
        -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(vipd_options INTERFACE -fsanitize=address,undefined)
elseif(VIPD_SANITIZE)
    target_compile_options(vipd_options INTERFACE
        -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(vipd_options INTERFACE -fsanitize=address,undefined)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(vipd_options INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fcf-protection)
    target_link_options(vipd_options INTERFACE -Wl,-z,relro,-z,now)
endif()

# vipd_library(NAME SOURCES... LINK targets...): a static library of one folder.
function(vipd_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC vipd_options ${ARG_LINK})
endfunction()
