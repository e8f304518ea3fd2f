// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EverseedVault} from "../EverseedVault.sol";
import {TestBTT} from "../TestBTT.sol";
import {Handler} from "./Handler.sol";

/// What holds after every step of every life.
contract Vault {
    Handler private handler;
    EverseedVault private vault;
    TestBTT private token;

    function setUp() public {
        handler = new Handler();
        (vault, token) = handler.the();
    }

    /// Forge asks whom to call.
    function targetContracts() public view returns (address[] memory all) {
        all = new address[](1);
        all[0] = address(handler);
    }

    function invariant_TheVaultIsSolvent() public view {
        require(token.balanceOf(address(vault)) >= vault.obligations(), "owes more than it has");
    }

    function invariant_LockedIsTheSumOfWhatIsOpen() public view {
        uint256 sum;
        for (uint256 i = 0; i < 2; ++i) {
            address p = handler.posters(i);
            uint256 balance = vault.balanceOf(p);
            (uint256 thawing,) = vault.thawOf(p);
            require(thawing <= balance, "thaws what it has not");
            require(handler.deposited(p) == balance + handler.left(p), "what came in went nowhere");
            sum += balance;
        }
        require(vault.obligations() == sum, "obligations are not the sum of accounts");
        require(token.balanceOf(address(vault)) == sum + handler.stray(), "tokens are not the sum");
    }

    function invariant_PaidIsDrawnAndWithinTheCap() public view {
        for (uint256 i = 0; i < 4; ++i) {
            (address from, bytes32 id) = (handler.posters(i / 2), bytes32(i % 2));
            (uint8 threshold, uint256 cap, uint256 drawn,, address[] memory signers) =
                vault.mandateOf(from, id);
            uint256 sum;
            for (uint256 j = 0; j < 3; ++j) sum += vault.paid(from, id, handler.payees(j));
            require(sum == drawn && drawn <= cap, "more was paid than the cap");
            require(threshold == (cap == 0 ? 0 : 2), "threshold");
            require(signers.length == (cap == 0 ? 0 : 3), "signers changed");
        }
    }

    function invariant_NoTokenIsMadeOrLost() public view {
        uint256 sum = token.balanceOf(address(vault));
        for (uint256 i = 0; i < 2; ++i) sum += token.balanceOf(handler.posters(i));
        for (uint256 i = 0; i < 3; ++i) sum += token.balanceOf(handler.payees(i));
        require(sum == handler.minted(), "somebody else has tokens");
    }

    /// Lives in which nothing is paid would prove little.
    function test_EachWayToRedeemPays() public {
        for (uint256 way = 0; way < 3; ++way) handler.redeem(0, 10, way << 8);
        require(handler.payments() == 3, "the handler's cheques are not good");
    }
}
