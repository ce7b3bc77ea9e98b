// SPDX-License-Identifier: Apache-2.0
// genhash(1): the digest of a page, for `digest` of HTTP_GET. It asks as the checker does.
#pragma once

namespace vipd::daemon {

/// argv[0] is the name it was called by. The exit status: 0, or 1 where there is no digest.
int genhash(int argc, char** argv);

}  // namespace vipd::daemon
