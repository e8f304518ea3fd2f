// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/tron-contracts/utils/cryptography/ECDSA.sol";
import {EverseedVault} from "../EverseedVault.sol";
import {Rig} from "./Rig.sol";

/// Every cheque that is not good is refused by each way to redeem, whatever its amounts.
contract Cheques is Rig {
    uint64 private end;

    function setUp() public {
        _build();
        vm.warp(1_800_000_000);
        end = uint64(block.timestamp) + 1000;
        vm.prank(poster);
        vault.depositAndOpen(RICH, MANDATE, _names(), 2, RICH, end);
    }

    function _cheque(uint256 cumulative) private view returns (Cheque memory) {
        return Cheque(poster, MANDATE, payee, 1 + cumulative % RICH, 0);
    }

    function _refused(Cheque memory c, bytes memory signatures, bytes4 why) private {
        bytes32 payout = vault.payoutDigest(_digest(c), address(0xc01d));
        bytes memory by = _signature(payeeKey, payout);
        uint256 before = token.balanceOf(address(vault));
        require(_try(payee, _redeem(c, signatures)) == why, "redeem");
        require(_try(payee, _redeemUpTo(c, signatures)) == why, "redeemUpTo");
        require(_try(payee, _redeemTo(c, signatures, address(0xc01d), by)) == why, "redeemTo");
        _same(token.balanceOf(address(vault)), before, "money moved");
    }

    function testFuzz_AForgedChequeIsRefused(uint256 amount, uint256 forger, uint256 place) public {
        forger = 1 + forger % (ORDER - 1);
        place %= 2;
        address by = vm.addr(forger);
        for (uint256 i = 0; i < 3; ++i) vm.assume(by != vm.addr(signers[i]));
        Cheque memory c = _cheque(amount);
        bytes memory forged = _signature(forger, _digest(c));
        bytes memory good = _signature(signers[1], _digest(c));
        _refused(
            c,
            place == 0 ? bytes.concat(forged, good) : bytes.concat(good, forged),
            EverseedVault.NotASigner.selector
        );
    }

    function testFuzz_AChangedChequeIsRefused(uint256 amount, uint256 more, uint64 bytes_) public {
        Cheque memory c = _cheque(amount);
        bytes memory signatures = _quorum(c, amount % 3);
        Cheque memory dearer = _cheque(amount);
        dearer.cumulative += 1 + more % RICH;
        _refused(dearer, signatures, EverseedVault.NotASigner.selector);
        Cheque memory longer = _cheque(amount);
        longer.bytes_ = bytes_ == 0 ? 1 : bytes_;
        _refused(longer, signatures, EverseedVault.NotASigner.selector);
        Cheque memory others = _cheque(amount);
        others.to = vm.addr(1 + more % RICH);
        vm.assume(others.to != payee);
        _refused(others, signatures, EverseedVault.NotASigner.selector);
    }

    function testFuzz_AReplayedChequeIsRefused(uint256 amount, uint256 older, uint256 absent)
        public
    {
        Cheque memory c = _cheque(amount);
        require(_try(payee, _redeem(c, _quorum(c, absent % 3))) == 0, "first");
        _same(token.balanceOf(payee), c.cumulative, "paid");
        _refused(c, _quorum(c, absent % 3), EverseedVault.NothingDue.selector);
        c.cumulative = older % (c.cumulative + 1);
        _refused(c, _quorum(c, (absent >> 8) % 3), EverseedVault.NothingDue.selector);
    }

    function testFuzz_AChequeOfAnotherChainIsRefused(uint256 amount, uint32 chain) public {
        vm.assume(chain != uint32(block.chainid) && chain != 0);
        Cheque memory c = _cheque(amount);
        bytes memory signatures = _quorum(c, 0);
        vm.chainId(chain);
        _refused(c, signatures, EverseedVault.NotASigner.selector);
    }

    function testFuzz_AChequeOfAnotherContractIsRefused(uint256 amount) public {
        Cheque memory c = _cheque(amount);
        EverseedVault here = vault;
        vault = new EverseedVault(address(token), THAW);
        bytes memory signatures = _quorum(c, 0);
        vault = here;
        _refused(c, signatures, EverseedVault.NotASigner.selector);
    }

    function testFuzz_ASecondFormOfASignatureIsRefused(uint256 amount) public {
        Cheque memory c = _cheque(amount);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signers[1], _digest(c));
        bytes memory high = abi.encodePacked(r, ORDER - uint256(s), 55 - v);
        bytes memory good = _signature(signers[0], _digest(c));
        _refused(c, bytes.concat(good, high), ECDSA.ECDSAInvalidSignatureS.selector);
    }

    function testFuzz_AnExpiredChequeIsRefused(uint256 amount, uint32 late) public {
        Cheque memory c = _cheque(amount);
        vm.warp(end + 1 + uint256(late));
        _refused(c, _quorum(c, 1), EverseedVault.MandateExpired.selector);
    }

    function testFuzz_TooFewOrDisorderlySignaturesAreRefused(uint256 amount, uint256 i) public {
        Cheque memory c = _cheque(amount);
        bytes memory one = _signature(signers[i % 3], _digest(c));
        bytes memory low = _signature(signers[0], _digest(c));
        bytes memory high = _signature(signers[2], _digest(c));
        _refused(c, one, EverseedVault.BadSignatures.selector);
        _refused(c, bytes.concat(one, one), EverseedVault.NotASigner.selector);
        _refused(c, bytes.concat(high, low), EverseedVault.NotASigner.selector);
        _refused(c, bytes.concat(low, high, high), EverseedVault.BadSignatures.selector);
    }

    function testFuzz_APayoutNeedsThePayee(uint256 amount, uint256 thief, address to) public {
        thief = 1 + thief % (ORDER - 1);
        vm.assume(vm.addr(thief) != payee && to != address(0));
        vm.assume(to != address(vault) && to != address(token));
        Cheque memory c = _cheque(amount);
        bytes memory signatures = _quorum(c, 2);
        bytes32 digest = vault.payoutDigest(_digest(c), to);
        bytes memory payout = _signature(thief, digest);
        bytes4 why = EverseedVault.NotThePayee.selector;
        require(_try(to, _redeemTo(c, signatures, to, payout)) == why, "a thief's");
        payout = _signature(payeeKey, digest);
        Cheque memory next = _cheque(amount);
        next.cumulative += 1;
        bytes memory again = _quorum(next, 2);
        require(_try(to, _redeemTo(next, again, to, payout)) == why, "another cheque's");
        require(_try(address(0xbad), _redeemTo(c, signatures, to, payout)) == 0, "the payee's");
        _same(token.balanceOf(to), c.cumulative, "recipient");
        _same(vault.paid(poster, MANDATE, payee), c.cumulative, "booked");
    }
}
