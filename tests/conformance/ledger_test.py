#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ledger_test.py: each rule of the RFCs has its tests, and the check would notice if not."""
import os
import unittest

import ledger


class Ledger(unittest.TestCase):
    def test_every_rule_has_its_tests(self):
        known = ledger.tests()
        for path in ledger.tables():
            with self.subTest(os.path.basename(path)):
                bad = ledger.complaints(ledger.read(path), known)
                self.assertEqual(bad, [], "\n" + "\n".join(bad))

    def test_every_section_with_a_must_is_there(self):
        for names, wanted in ledger.SECTIONS.items():
            texts = [ledger.read(os.path.join(ledger.FOLDER, name)) for name in names]
            found = set().union(*map(ledger.sections, texts))
            self.assertEqual(set(wanted.split()) - found, set(), names)

    def test_every_counter_has_its_rule_in_the_order_of_the_code(self):
        order = ledger.receive_order(ledger.read(os.path.join(ledger.FOLDER, "receive_rules.md")))
        drops = ledger.counters()
        self.assertGreater(len(drops), 20)
        self.assertEqual([name for name in order if name in drops], drops)

    def test_all_thirty_two_receive_rules_are_there(self):
        text = ledger.read(os.path.join(ledger.FOLDER, "receive_rules.md"))
        self.assertEqual(ledger.numbers(text), set(ledger.RULES))


class Check(unittest.TestCase):
    HEAD = "| section | rule | done | refused |\n|---|---|---|---|\n"

    def bad(self, row):
        return ledger.complaints(self.HEAD + row, {"Aa.Bb", "Cc.Dd", "test_e"})

    def test_it_passes_what_is_right(self):
        for row in ("| 1 | x | Aa.Bb | Cc.Dd |", "| 1 | x | test_e | Cc.Dd |",
                    "| 1 | x | exempt: nobody does | |", "| 1 | x | exempt: not done | Cc.Dd |"):
            self.assertEqual(self.bad(row), [], row)

    def test_it_reads_the_sections(self):
        text = self.HEAD + "| 5.2.1 | x | a | b |\n| 5880 6.4, 6.8.9 | x | a | b |\n"
        self.assertEqual(ledger.sections(text), {"5.2.1", "6.4", "6.8.9"})

    def test_it_notices_what_is_missing(self):
        for row in ("| 1 | x | Aa.Bb | |", "| 1 | x | | Cc.Dd |", "| 1 | x | Aa.Bb | Aa.Bb |",
                    "| 1 | x | Aa.Bb | Cc.Ee |", "| 1 | x | Aa.Bb | see above |",
                    "| 1 | x | exempt: | |", "| 1 | x | Aa.Bb |"):
            self.assertNotEqual(self.bad(row), [], row)


if __name__ == "__main__":
    unittest.main()
