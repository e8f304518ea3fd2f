// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EverseedVault} from "../EverseedVault.sol";
import {TestBTT} from "../TestBTT.sol";

/// The few of Foundry's cheat codes that these tests need.
interface Vm {
    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8, bytes32, bytes32);
    function prank(address sender) external;
    function warp(uint256 time) external;
    function chainId(uint256 id) external;
    function assume(bool condition) external pure;
}

/// A fresh vault over a good token, with a poster, three signers and what is needed to sign.
abstract contract Rig {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint32 internal constant THAW = 100;
    uint256 internal constant RICH = 1_000_000;
    uint256 internal constant ORDER =
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    bytes32 internal constant MANDATE = bytes32(uint256(7));

    /// A cheque, as it is signed.
    struct Cheque {
        address from;
        bytes32 mandate;
        address to;
        uint256 cumulative;
        uint64 bytes_;
    }

    TestBTT internal token;
    EverseedVault internal vault;
    uint256[3] internal signers; // private keys, by ascending address
    address internal admin;
    address internal poster;
    uint256 internal payeeKey = 0xfa;
    address internal payee;

    function _build() internal {
        admin = vm.addr(0xad);
        poster = vm.addr(0xb0);
        payee = vm.addr(payeeKey);
        token = new TestBTT();
        vm.prank(admin);
        vault = new EverseedVault(address(token), THAW);
        signers = _ascending([uint256(0x51), 0x52, 0x53]);
        _enrich(poster);
    }

    function _enrich(address account) internal {
        token.mint(account, RICH);
        vm.prank(account);
        token.approve(address(vault), type(uint256).max);
    }

    function _ascending(uint256[3] memory k) private pure returns (uint256[3] memory) {
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(k[j]) < vm.addr(k[i])) (k[i], k[j]) = (k[j], k[i]);
            }
        }
        return k;
    }

    function _names() internal view returns (address[] memory all) {
        all = new address[](3);
        for (uint256 i = 0; i < 3; ++i) all[i] = vm.addr(signers[i]);
    }

    function _signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _digest(Cheque memory c) internal view returns (bytes32) {
        return vault.chequeDigest(c.from, c.mandate, c.to, c.cumulative, c.bytes_);
    }

    /// Two of three, which leave out the signer `absent`.
    function _quorum(Cheque memory c, uint256 absent) internal view returns (bytes memory all) {
        for (uint256 i = 0; i < 3; ++i) {
            if (i != absent) all = bytes.concat(all, _signature(signers[i], _digest(c)));
        }
    }

    function _redeem(Cheque memory c, bytes memory signatures)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(
            EverseedVault.redeem, (c.from, c.mandate, c.to, c.cumulative, c.bytes_, signatures)
        );
    }

    function _redeemUpTo(Cheque memory c, bytes memory signatures)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(
            EverseedVault.redeemUpTo, (c.from, c.mandate, c.to, c.cumulative, c.bytes_, signatures)
        );
    }

    function _redeemTo(
        Cheque memory c, bytes memory signatures, address recipient, bytes memory payout
    ) internal pure returns (bytes memory) {
        return abi.encodeCall(
            EverseedVault.redeemTo,
            (c.from, c.mandate, c.to, c.cumulative, c.bytes_, signatures, recipient, payout)
        );
    }

    /// Calls the vault and returns the error that it was refused with, zero if it was not.
    function _try(address by, bytes memory data) internal returns (bytes4) {
        vm.prank(by);
        (bool ok, bytes memory why) = address(vault).call(data);
        return ok ? bytes4(0) : bytes4(why);
    }

    function _same(uint256 a, uint256 b, string memory what) internal pure {
        require(a == b, what);
    }
}
