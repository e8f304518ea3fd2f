// Every question that the page asks the market, one hook each. The first word of a key is what
// live.ts invalidates by.

import { keepPreviousData, QueryClient, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import {
  type Account,
  type Auditor,
  type Bounty,
  type Call,
  get,
  type Lease,
  type Market,
  type MarketInfo,
  type Offer,
  type Page,
  Problem,
  type Proof,
  type SignedCheque,
  type Solvency,
  type Trail,
} from "./api";
import { setMarketTime } from "./now";

/** pageMax is the most items that the market gives at a time. */
const pageMax = 200;

/** newQueries makes the page's store of answers. */
export function newQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5000, // events say sooner; this is for a page that was hidden
        refetchInterval: 30_000,
        retry: (n, err) =>
          n < 3 && !(err instanceof Problem && err.status < 500 && err.status !== 429),
        retryDelay: (n, err) => Math.max(1000 * 2 ** n, err instanceof Problem ? err.wait : 0),
        placeholderData: keepPreviousData,
      },
    },
  });
}

async function list<T>(path: string, signal: AbortSignal): Promise<T[]> {
  return (await get<Page<T>>(path, signal)).items;
}

export const useMarket = () =>
  useQuery({
    queryKey: ["market"],
    queryFn: async ({ signal }) => {
      const m = await get<Market>("/v1/market", signal);
      setMarketTime(m.at);
      return m;
    },
  });

export const useRules = () =>
  useQuery({
    queryKey: ["rules"],
    queryFn: ({ signal }) => get<MarketInfo>("/v1/rules", signal),
    staleTime: 600_000,
  });

export const useBounties = () =>
  useQuery({
    queryKey: ["bounties"],
    queryFn: ({ signal }) => list<Bounty>(`/v1/bounties?limit=${pageMax}`, signal),
  });

export const useBounty = (id: number) =>
  useQuery({
    queryKey: ["bounties", id],
    queryFn: ({ signal }) => get<Bounty>(`/v1/bounties/${id}`, signal),
    placeholderData: undefined, // never one bounty's figures under another's name
  });

export const useOffers = () =>
  useQuery({
    queryKey: ["offers"],
    queryFn: ({ signal }) => list<Offer>(`/v1/offers?limit=${pageMax}`, signal),
  });

export const useAuditors = () =>
  useQuery({
    queryKey: ["auditors"],
    queryFn: ({ signal }) => list<Auditor>(`/v1/auditors?limit=${pageMax}`, signal),
  });

export const useLeases = (of: { bounty?: number; agent?: string }) =>
  useQuery({
    queryKey: ["leases", of],
    queryFn: ({ signal }) => list<Lease>(`/v1/leases?${query(of)}`, signal),
    placeholderData: undefined,
  });

export const useProofs = (of: { bounty?: number; agent?: string }, limit = pageMax) =>
  useQuery({
    queryKey: ["proofs", of, limit],
    queryFn: ({ signal }) => list<Proof>(`/v1/proofs?${query(of, limit)}`, signal),
    placeholderData: undefined,
  });

export const useTrail = (lease: number, epoch: number) =>
  useQuery({
    queryKey: ["proofs", "trail", lease, epoch],
    queryFn: ({ signal }) => get<Trail>(`/v1/proofs/${lease}/${epoch}`, signal),
    placeholderData: undefined,
  });

export const useCheques = (payee: string) =>
  useQuery({
    queryKey: ["cheques", payee],
    queryFn: ({ signal }) => list<SignedCheque>(`/v1/cheques?payee=${payee}&limit=50`, signal),
    placeholderData: undefined,
    enabled: payee !== "",
  });

export const useAccount = (address: string) =>
  useQuery({
    queryKey: ["accounts", address],
    queryFn: ({ signal }) => get<Account>(`/v1/accounts/${address}`, signal),
    placeholderData: undefined,
    enabled: address !== "",
  });

export const useSolvency = () =>
  useQuery({
    queryKey: ["solvency"],
    queryFn: ({ signal }) => get<Solvency>("/v1/solvency", signal),
    refetchInterval: 5000, // comparing is no event of its own
  });

/** useCalls returns calls, newest first, a page at a time. */
export const useCalls = (limit: number) =>
  useInfiniteQuery({
    queryKey: ["calls", limit],
    queryFn: ({ pageParam, signal }) =>
      get<Page<Call>>(`/v1/calls?limit=${limit}${pageParam && `&after=${pageParam}`}`, signal),
    initialPageParam: "",
    getNextPageParam: (page) => page.next || undefined,
  });

function query(of: { bounty?: number; agent?: string }, limit = pageMax): string {
  const q = new URLSearchParams({ limit: String(limit) });
  for (const [k, v] of Object.entries(of)) q.set(k, String(v));
  return q.toString();
}
