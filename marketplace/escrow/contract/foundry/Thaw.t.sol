// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EverseedVault} from "../EverseedVault.sol";
import {Rig} from "./Rig.sol";

/// A poster who leaves races the cheques that are under way. Whoever comes first in time wins, and
/// until a thaw period is over that can only be the cheque.
contract Thaw is Rig {
    uint256 private began = 1_800_000_000;

    function setUp() public {
        _build();
        vm.warp(began);
        vm.prank(poster);
        vault.depositAndOpen(RICH, MANDATE, _names(), 2, RICH, uint64(began) + 1_000_000);
    }

    function _pay(uint256 cumulative) private returns (bytes4) {
        Cheque memory c = Cheque(poster, MANDATE, payee, cumulative, 0);
        return _try(address(0xb1), _redeem(c, _quorum(c, cumulative % 3)));
    }

    function testFuzz_AChequeBeatsAThawUntilItIsWithdrawn(uint256 thaws, uint256 due, uint32 wait)
        public
    {
        thaws = 1 + thaws % RICH;
        due = 1 + due % RICH;
        vm.prank(poster);
        vault.thaw(thaws);
        vm.warp(began + wait % 1_000_000);
        require(_pay(due) == 0, "the cheque is redeemable while its money is there");
        uint256 left = RICH - due;
        (uint256 thawing,) = vault.thawOf(poster);
        _same(thawing, thaws < left ? thaws : left, "thawing");
        vm.warp(began + THAW);
        bytes4 want = thawing == 0 ? EverseedVault.NothingThawing.selector : bytes4(0);
        require(_try(poster, abi.encodeCall(EverseedVault.withdraw, ())) == want, "withdraw");
        _same(token.balanceOf(poster), thawing, "the poster has the rest");
        _same(token.balanceOf(payee), due, "the payee has what was signed");
    }

    function testFuzz_NobodyWithdrawsEarly(uint256 thaws, uint256 wait) public {
        vm.prank(poster);
        vault.thaw(1 + thaws % RICH);
        vm.warp(began + wait % THAW);
        bytes4 why = _try(poster, abi.encodeCall(EverseedVault.withdraw, ()));
        require(why == EverseedVault.StillThawing.selector, "early");
    }

    function testFuzz_AnotherThawStartsAnew(uint256 first, uint256 second, uint256 wait) public {
        vm.prank(poster);
        vault.thaw(1 + first % RICH);
        vm.warp(began + wait % THAW + 1);
        vm.prank(poster);
        vault.thaw(1 + second % RICH);
        vm.warp(began + wait % THAW + THAW);
        bytes4 why = _try(poster, abi.encodeCall(EverseedVault.withdraw, ()));
        require(why == EverseedVault.StillThawing.selector, "the first one's time");
    }

    function testFuzz_ARevokedMandatePaysForOneThawPeriod(uint256 due, uint256 wait) public {
        due = 1 + due % RICH;
        vm.prank(poster);
        vault.revokeMandate(MANDATE);
        (,,, uint64 ends,) = vault.mandateOf(poster, MANDATE);
        _same(ends, began + THAW, "end");
        vm.warp(began + wait % (2 * THAW));
        bytes4 want =
            block.timestamp > ends ? EverseedVault.MandateExpired.selector : bytes4(0);
        require(_pay(due) == want, "a cheque under way");
        bytes4 why = _try(poster, abi.encodeCall(EverseedVault.revokeMandate, (MANDATE)));
        require(why == EverseedVault.MandateEnding.selector, "never later");
    }
}
