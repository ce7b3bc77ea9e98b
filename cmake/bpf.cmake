# vipd_bpf_object(NAME SOURCE [DEFINES...]): compiles one .bpf.c with clang and makes its libbpf
# skeleton, NAME.skel.h. Only UAPI headers are used, so the build needs nothing of the running kernel.
find_program(BPF_CLANG NAMES clang-19 clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)

function(vipd_bpf_object name source)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
    set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
    get_filename_component(source ${source} ABSOLUTE)
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${BPF_CLANG} -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror
                -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}
                -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} ${ARGN}
                -MD -MF ${object}.d -c ${source} -o ${object}
        DEPENDS ${source} DEPFILE ${object}.d
        COMMENT "BPF ${name}" VERBATIM)
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND sh -c "\"${BPFTOOL}\" gen skeleton \"${object}\" name ${name} > \"${skeleton}\""
        DEPENDS ${object} COMMENT "skeleton ${name}" VERBATIM)
    add_custom_target(${name}_skeleton DEPENDS ${skeleton})
    add_library(${name} INTERFACE)
    add_dependencies(${name} ${name}_skeleton)
    target_include_directories(${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
    target_link_libraries(${name} INTERFACE PkgConfig::LIBBPF)
endfunction()
