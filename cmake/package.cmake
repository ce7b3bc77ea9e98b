# `cmake --install build` and `cpack --config build/CPackConfig.cmake`: the Debian package.
include(GNUInstallDirs)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # what is packed is not the tests

install(TARGETS vipd vipadm RUNTIME DESTINATION sbin)
install(TARGETS vipctl RUNTIME DESTINATION bin)
# Its name makes it genhash. keepalived's package has a /usr/bin/genhash, so postinst links to this one
# where there is none.
install(CODE "file(MAKE_DIRECTORY \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/vipd)
file(CREATE_LINK ../../sbin/vipd \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/vipd/genhash SYMBOLIC)")
install(FILES docs/man/vipctl.1 docs/man/vipd-genhash.1 DESTINATION share/man/man1)
install(FILES docs/man/vipd.conf.5 DESTINATION share/man/man5)
install(FILES docs/man/vipd.8 docs/man/vipadm.8 DESTINATION share/man/man8)
install(FILES packaging/vipd.service DESTINATION lib/systemd/system)
install(FILES packaging/vipd.conf DESTINATION share/doc/vipd/examples)
install(FILES README.md LICENSE docs/COMPATIBILITY.md docs/API.md DESTINATION share/doc/vipd)
foreach(program vipd vipadm)
    install(FILES packaging/completion/${program}.bash
            DESTINATION share/bash-completion/completions RENAME ${program})
endforeach()
install(FILES tools/vipctl/completion/vipctl.bash DESTINATION share/bash-completion/completions RENAME vipctl)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_NAME vipd)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "load balancing by XDP and failover by VRRP, from keepalived.conf")
set(CPACK_PACKAGE_CONTACT "the maintainers of vipd")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS iproute2)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${PROJECT_SOURCE_DIR}/packaging/debian/postinst;${PROJECT_SOURCE_DIR}/packaging/debian/prerm;${PROJECT_SOURCE_DIR}/packaging/debian/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
